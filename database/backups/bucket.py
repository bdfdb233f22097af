"""Copy backups to S3-compatible storage, if `BACKUP_BUCKET` is set. The package `obstore` is an extra.

Files that expire here are deleted there, too; files that exist only there are never deleted.
"""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings

from database.backups import container
from database.backups.problem import BackupError
from database.backups.progress import Progress

MISSING = "BACKUP_BUCKET: storage needs the package obstore: pip install 'obstore>=0.11,<1', or leave it unset."
RETRY_TIMEOUT = timedelta(minutes=2)  # of retries
REQUEST_TIMEOUT = timedelta(hours=2)  # a part of a large upload is one request


def is_on() -> bool:
    return settings.BACKUP_BUCKET is not None


def require_package() -> None:
    """Raise `BackupError` if the package is missing."""
    try:
        import obstore  # noqa: F401
    except ImportError as error:
        raise BackupError(MISSING) from error


def upload(folder: Path, paths: Sequence[Path], progress: Progress) -> None:
    """Copy files under their names within the folder, closed days only once. Raises `BackupError`."""
    store = _store()
    try:
        for path in paths:
            key = str(path.relative_to(folder))
            # The name of a closed day states its content; a backup's is a time, which another backup may have.
            if path.parent == folder or _size(store, key) != path.stat().st_size:
                progress.step(f"copying {key} to the bucket {_bucket()[0]}")
                store.put(key, path)
    except _errors() as error:
        raise _problem("copied to", error) from error


def delete(folder: Path, paths: Sequence[Path]) -> None:
    """Delete the copies of files that were deleted here. Raises `BackupError`."""
    try:
        if paths:
            _store().delete([str(path.relative_to(folder)) for path in paths])
    except _errors() as error:
        raise _problem("deleted from", error) from error


def fetch(folder: Path, key: str, progress: Progress) -> Path:
    """Fetch a copy into the folder. Raises `BackupError`."""
    path = folder / key
    progress.step(f"fetching {key} from the bucket {_bucket()[0]}")
    try:
        found = _store().get(key)  # not within the next block, which reports every missing file as a failure to write
        with container.written(path) as file:
            for chunk in found:
                file.write(chunk)
    except FileNotFoundError as error:
        raise BackupError(f"{key} is neither in {folder} nor in the bucket {_bucket()[0]}.") from error
    except _errors() as error:
        raise _problem("fetched from", error) from error
    return path


def _size(store: Any, key: str) -> int | None:
    try:
        return int(store.head(key)["size"])
    except FileNotFoundError:
        return None


def _store() -> Any:
    require_package()
    from obstore.store import S3Store

    name, prefix = _bucket()
    given: dict[str, Any] = {
        "endpoint": settings.BACKUP_BUCKET_ENDPOINT,
        "region": settings.BACKUP_BUCKET_REGION,
        "access_key_id": settings.BACKUP_BUCKET_KEY_ID,
        "secret_access_key": settings.BACKUP_BUCKET_SECRET,
    }
    return S3Store(
        name,
        prefix=prefix or None,
        client_options={"allow_http": True, "timeout": REQUEST_TIMEOUT, "connect_timeout": timedelta(seconds=10)},
        retry_config={"max_retries": 5, "retry_timeout": RETRY_TIMEOUT},
        **{option: value for option, value in given.items() if value},
    )


def _bucket() -> tuple[str, str]:
    """Return the name and the folder."""
    assert settings.BACKUP_BUCKET is not None
    return settings.BACKUP_BUCKET


def _errors() -> tuple[type[Exception], ...]:
    from obstore.exceptions import BaseError

    return (BaseError, FileNotFoundError)


def _problem(what: str, error: Exception) -> BackupError:
    # The first line names the cause; the others are a dump of structures.
    return BackupError(
        f"Nothing could be {what} the bucket {_bucket()[0]}: {str(error).partition(chr(10))[0]}. The"
        f" backup itself is safe in {settings.BACKUP_DIR}."
    )
