"""Encryption with age, and copies in a real S3-compatible server."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pyrage
import pytest
from moto.server import ThreadedMotoServer
from obstore.store import S3Store
from pytest_django import Settings

from database.backups import bucket, encryption, loading, nights, replacing
from database.backups.folder import Folder
from database.backups.problem import BackupError
from database.backups.progress import SILENT
from database.backups.server import Server
from database.backups.taking import take
from database.backups.tests.cast import CLOSED, add_checks

pytestmark = pytest.mark.django_db


@pytest.fixture
def key(tmp_path: Path, settings: Settings) -> pyrage.x25519.Identity:
    """Backups are encrypted for a key that lies here."""
    identity = pyrage.x25519.Identity.generate()
    (tmp_path / "key.txt").write_text(f"# created: today\n# public key: {identity.to_public()}\n{identity}\n")
    settings.BACKUP_AGE_RECIPIENTS = [str(identity.to_public())]
    settings.BACKUP_AGE_IDENTITY = str(tmp_path / "key.txt")
    return identity


def test_an_encrypted_backup_is_unreadable_and_restores(
    live: Server, folder: Folder, key: pyrage.x25519.Identity
) -> None:
    taken = take(live, folder)

    assert all(path.name.endswith(".sql.gz.age") for path in [taken.path, *taken.raw_paths])
    assert taken.path.read_bytes().startswith(b"age-encryption.org/v1")
    assert list(folder.path.glob(".*")) == [], "no clear text stays behind"
    with loading.source(taken.path) as found:
        replacing.prove(live, found, SILENT)
    assert list(folder.path.glob(".*")) == []


def test_the_wrong_key_and_no_key_are_said(
    live: Server, folder: Folder, key: pyrage.x25519.Identity, settings: Settings, tmp_path: Path
) -> None:
    path = take(live, folder).path
    (tmp_path / "other.txt").write_text(str(pyrage.x25519.Identity.generate()))

    settings.BACKUP_AGE_IDENTITY = str(tmp_path / "other.txt")
    with pytest.raises(BackupError, match="cannot be decrypted: No matching keys"), loading.source(path):
        pass
    settings.BACKUP_AGE_IDENTITY = ""
    with pytest.raises(BackupError, match=r"is encrypted.*BACKUP_AGE_IDENTITY"), loading.source(path):
        pass
    settings.BACKUP_AGE_IDENTITY = str(path.parent / "nothing")
    with pytest.raises(BackupError, match="nothing cannot be read"), loading.source(path):
        pass


def test_damage_to_an_encrypted_backup_is_refused(live: Server, folder: Folder, key: pyrage.x25519.Identity) -> None:
    path = take(live, folder).path
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)

    with pytest.raises(BackupError, match=r"cannot be decrypted.*damaged"), loading.source(path):
        pass


def test_who_cannot_read_old_backups_deletes_none_of_their_days(
    live: Server, folder: Folder, key: pyrage.x25519.Identity, settings: Settings
) -> None:
    settings.BACKUP_AGE_IDENTITY = ""
    old = take(live, folder)
    add_checks(live, CLOSED[1], 1, "late")
    take(live, folder)

    assert folder.delete_old(datetime.now(UTC), kept_days=30) == []
    (folder.raw / "index.json").unlink()
    assert folder.delete_old(datetime.now(UTC), kept_days=30) == []
    assert all(path.exists() for path in old.raw_paths)


def test_a_recipient_that_is_none_is_named(settings: Settings) -> None:
    with pytest.raises(BackupError, match="'age1nonsense' is not a public key of age"):
        encryption.read_recipients(["age1nonsense"])


@pytest.fixture
def storage(settings: Settings) -> Iterator[S3Store]:
    """A bucket in a server on the loopback."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    httpx.post(f"{endpoint}/moto-api/reset")  # it remembers earlier servers of this process
    httpx.put(f"{endpoint}/safe", headers={"Authorization": "AWS4-HMAC-SHA256 Credential=me/20260101/us-east-1/s3/x"})
    settings.BACKUP_BUCKET, settings.BACKUP_BUCKET_ENDPOINT = ("safe", "monitor"), endpoint
    settings.BACKUP_BUCKET_KEY_ID = settings.BACKUP_BUCKET_SECRET = "testing"
    yield S3Store(
        "safe",
        endpoint=endpoint,
        access_key_id="testing",
        secret_access_key="testing",
        region="us-east-1",
        client_options={"allow_http": True},
    )
    server.stop()


def keys(storage: S3Store) -> set[str]:
    return {str(each["path"]) for batch in storage.list() for each in batch}


def test_a_night_copies_what_is_new_and_deletes_what_is_old(live: Server, folder: Folder, storage: S3Store) -> None:
    first = nights.back_up(live, folder, SILENT, kept_days=30)
    assert keys(storage) == {f"monitor/{path.relative_to(folder.path)}" for path in [first.path, *first.raw_paths]}

    old = folder.path / "sla_monitor_20250101_020000.sql.gz"
    old.write_bytes(first.path.read_bytes())
    bucket.upload(folder.path, [old], SILENT)
    second = nights.back_up(live, folder, SILENT, kept_days=30)

    assert keys(storage) == {
        f"monitor/{path.relative_to(folder.path)}" for path in [first.path, second.path, *first.raw_paths]
    }


def test_what_was_lost_here_is_fetched(live: Server, folder: Folder, storage: S3Store) -> None:
    taken = nights.back_up(live, folder, SILENT, kept_days=30)
    content = taken.path.read_bytes()
    taken.path.unlink()

    assert bucket.fetch(folder.path, taken.path.name, SILENT).read_bytes() == content
    with pytest.raises(BackupError, match=r"sla_monitor_1\.sql\.gz is neither in .* nor in the bucket safe"):
        bucket.fetch(folder.path, "sla_monitor_1.sql.gz", SILENT)
    assert not (folder.path / "sla_monitor_1.sql.gz").exists()


def test_storage_that_does_not_answer_is_named_and_the_backup_stays(
    live: Server, folder: Folder, storage: S3Store, settings: Settings
) -> None:
    settings.BACKUP_BUCKET = ("nowhere", "")

    with pytest.raises(BackupError, match=r"copied to the bucket nowhere.*backup itself is safe"):
        nights.back_up(live, folder, SILENT, kept_days=30)
    assert len(folder.backups()) == 1


def test_a_large_file_travels_in_parts(folder: Folder, storage: S3Store) -> None:
    folder.path.mkdir()
    large = folder.path / "large"
    large.write_bytes(os.urandom(1 << 20) * 12)

    bucket.upload(folder.path, [large], SILENT)

    assert bytes(storage.get("monitor/large").bytes()) == large.read_bytes()
