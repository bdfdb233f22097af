"""Encrypt backups with age (https://age-encryption.org), if `BACKUP_AGE_RECIPIENTS` names people who may read them.

The package `pyrage` is an extra. Only reading needs a secret (`BACKUP_AGE_IDENTITY`, a file made by `age-keygen`): a
server can write backups that it can't read, but then it can't prove them either.
"""

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from django.conf import settings

from database.backups import container
from database.backups.folder import SEALED
from database.backups.problem import BackupError

MISSING = "BACKUP_AGE_RECIPIENTS: encryption needs the package pyrage: pip install 'pyrage>=1.4,<2', or leave it unset."
IDENTITY = re.compile(r"^AGE-SECRET-KEY-1[0-9A-Z]+$", re.MULTILINE)


def is_on() -> bool:
    return bool(settings.BACKUP_AGE_RECIPIENTS)


@contextmanager
def written(path: Path) -> Iterator[BinaryIO]:
    """Write a backup, encrypted if its name has the suffix. Raises `BackupError`.

    Until it is encrypted, the plain text is in a private file of the same folder.
    """
    if path.suffix != SEALED:
        with container.written(path) as file:
            yield file
        return
    recipients = read_recipients(settings.BACKUP_AGE_RECIPIENTS)
    with clear_file(path.parent) as clear:
        yield clear
        clear.seek(0)
        with container.written(path) as file:
            _age().encrypt_io(clear, file, recipients)


@contextmanager
def plain(path: Path) -> Iterator[Path]:
    """Yield a readable file: the backup itself, or for the length of the block its decrypted content."""
    if path.suffix != SEALED:
        yield path
        return
    with container.opened(path) as file, clear_file(path.parent) as clear:
        try:
            _age().decrypt_io(file, clear, _identities(path))
        except (_age().DecryptError, OSError) as error:
            raise BackupError(
                f"{path} cannot be decrypted: {error}. It is damaged, or encrypted for another key than the one in"
                f" {settings.BACKUP_AGE_IDENTITY}. Nothing was changed."
            ) from error
        clear.flush()
        yield Path(clear.name)


@contextmanager
def clear_file(folder: Path) -> Iterator[BinaryIO]:
    """Yield a file that only we may read, which is deleted after the block, or after a crash by the next clean-up."""
    try:
        container.make_folder(folder)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".clear-", suffix=".part") as file:
            container.mark_in_use(file)  # type: ignore[arg-type]
            yield file  # type: ignore[misc]  # a wrapper that behaves as the file
    except OSError as error:
        raise BackupError(
            f"{folder} cannot be written: {error.strerror or error}. The partial file was deleted."
        ) from error


def read_recipients(words: list[str]) -> list[Any]:
    """Parse public keys: `age1…`, or `ssh-ed25519 …`. Raises `BackupError` with the invalid one."""
    age, recipients = _age(), []
    for word in words:
        kind = age.ssh if word.startswith("ssh-") else age.x25519
        try:
            recipients.append(kind.Recipient.from_str(word))
        except age.RecipientError as error:
            raise BackupError(f"BACKUP_AGE_RECIPIENTS: {word!r} is not a public key of age: {error}.") from error
    return recipients


def _identities(path: Path) -> list[Any]:
    if not settings.BACKUP_AGE_IDENTITY:
        raise BackupError(f"{path} is encrypted. Set BACKUP_AGE_IDENTITY to the file with the key that decrypts it.")
    try:
        text = Path(settings.BACKUP_AGE_IDENTITY).read_text()
    except OSError as error:
        raise BackupError(
            f"BACKUP_AGE_IDENTITY: {settings.BACKUP_AGE_IDENTITY} cannot be read: {error.strerror}."
        ) from error
    found = [_age().x25519.Identity.from_str(line) for line in IDENTITY.findall(text)]
    if not found:
        raise BackupError(f"BACKUP_AGE_IDENTITY: {settings.BACKUP_AGE_IDENTITY} contains no line AGE-SECRET-KEY-1….")
    return found


def _age() -> Any:
    try:
        import pyrage
    except ImportError as error:
        raise BackupError(MISSING) from error
    return pyrage
