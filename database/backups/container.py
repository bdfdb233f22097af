"""The file format: gzip members in sequence, so that `zcat FILE` shows plain SQL, and a seal over all of them.

The members are the head (the manifest), parts of SQL, and the seal: SHA-256 of all bytes before it and its signature
(`signing.py`), in a member of fixed bytes. So any byte that is cut off, flipped or added is detected, even those that
gzip's own checksum leaves out, and so is a file that somebody else sealed.
"""

import fcntl
import hashlib
import os
import re
import secrets
import struct
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from database.backups import manifest, signing
from database.backups.manifest import Manifest
from database.backups.problem import BackupError, Foreign

GZIP = 31  # window bits: tells zlib to use gzip's frame
LEVEL = 3  # of 9; half the time of the usual 6 for a tenth more bytes
CHUNK = 1 << 18
LONGEST_HEAD = 1 << 24
MAGIC = b"\x1f\x8b"
UNSIGNED_SEAL = b"-- The end. SHA-256 of the bytes before this member: %s\n"  # of releases that did not sign
SIGNED_SEAL = UNSIGNED_SEAL + b"-- Signed with the key %s: %s\n"
SEAL = re.compile(
    re.escape(UNSIGNED_SEAL % b"digest").replace(b"digest", rb"(?P<digest>[0-9a-f]{64})")
    + rb"(?:-- Signed with the key (?P<key>[0-9a-f]{8}): (?P<signature>[0-9a-f]{64})\n)?"
)


class Writer:
    """Write members to a file."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = hashlib.sha256()

    def member(self, chunks: Iterable[bytes]) -> None:
        """Compress chunks into one member."""
        compressor = zlib.compressobj(LEVEL, zlib.DEFLATED, GZIP)
        for chunk in chunks:
            self._write(compressor.compress(chunk))
        self._write(compressor.flush())

    def seal(self) -> None:
        """Write the last member; nothing may follow."""
        digest = self._digest.hexdigest()
        key_id, signature = signing.sign(digest)
        self._file.write(_stored(SIGNED_SEAL % (digest.encode(), key_id.encode(), signature.encode())))

    def _write(self, compressed: bytes) -> None:
        self._digest.update(compressed)
        self._file.write(compressed)


@contextmanager
def written(path: Path) -> Iterator[BinaryIO]:
    """Write a file that appears under its name only when it is complete and on the disk. Raises `BackupError`.

    Only its owner may read it: it contains password hashes, addresses of services and their responses.
    """
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")  # its own: another command may write the same
    try:
        make_folder(path.parent)
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            mark_in_use(file)
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.rename(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise BackupError(
            f"{path} cannot be written: {error.strerror or error}. The partial file was deleted."
        ) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def make_folder(path: Path) -> None:
    """Make a folder that is closed to others, regardless of the umask; an existing one keeps its mode."""
    for missing in [each for each in (*reversed(path.parents), path) if not each.exists()]:
        missing.mkdir(mode=0o700, exist_ok=True)


def mark_in_use(file: BinaryIO) -> None:
    """Mark a file as in use, so that it isn't removed as a leftover. The kernel's lock ends with the process."""
    fcntl.flock(file.fileno(), fcntl.LOCK_EX)


def remove_leftovers(folder: Path) -> None:
    """Delete files that a killed process left, but none that a process is checking or fetching."""
    for part in folder.glob(".*.part"):
        with suppress(OSError), part.open("rb") as file:  # in use, gone by itself, or somebody else's
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
            part.unlink()


def check(path: Path, *, foreign: bool = False) -> Manifest:
    """Read every byte and return the manifest. Raises `BackupError` for every fault of the file.

    `foreign` accepts a complete file that we did not sign, which otherwise raises `Foreign`.
    """
    with opened(path) as file:
        found = _head(path, file)
        seal_at, seal = _seal(file)
        file.seek(0)
        if seal is None or seal["digest"].decode() != _digest_of(file, seal_at):
            raise BackupError(
                f"{path} is damaged or cut off: its bytes are not those that were written. Nothing was changed. Use"
                " another backup, or fetch this one again from where it was copied."
            )
    if not foreign:
        _require_ours(path, seal)
    return found


def _require_ours(path: Path, seal: re.Match[bytes]) -> None:
    if seal["key"] is None:
        raise Foreign(
            f"{path} is not signed, so anybody could have written it; earlier releases did not sign backups."
            " Nothing was"
            " changed. If you are sure that nobody could have changed it, add --foreign."
        )
    digest, key_id, signature = (seal[name].decode() for name in ("digest", "key", "signature"))
    if not signing.is_ours(digest, key_id, signature):
        raise Foreign(
            f"{path} was not made by this installation: it is signed with the key {key_id}, and SECRETS_KEY and"
            f" SECRET_KEY have {', '.join(signing.key_ids())}. Nothing was changed. If it is of a machine before this"
            " one, or of a key before this one, add that key to SECRETS_KEY after a comma. If you know who made it"
            " and trust them, add --foreign."
        )


def head(path: Path) -> Manifest:
    """Return the manifest without reading the rest. Raises `BackupError`."""
    with opened(path) as file:
        return _head(path, file)


def parts(path: Path) -> Iterator[Iterator[bytes]]:
    """Yield the members between head and seal, each as chunks of SQL; read each before asking for the next."""
    members = texts(path)
    for _ in next(members, iter(())):
        pass
    yield from members


def texts(path: Path) -> Iterator[Iterator[bytes]]:
    """Yield the members before the seal, the head first, each as chunks; read each before asking for the next."""
    with opened(path) as file:
        reader = _Members(file)
        for member in reader:
            if reader.is_last():
                return
            yield member


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """Open for reading. Raises `BackupError` with a message for people."""
    try:
        with path.open("rb") as file:
            yield file
    except OSError as error:
        raise BackupError(f"{path} cannot be read: {error.strerror or error}.") from error


class _Members:
    """The members of a file, in order, each decompressed as it is read."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._rest = b""
        self._seal_at, _ = _seal(file)
        file.seek(0)

    def __iter__(self) -> Iterator[Iterator[bytes]]:
        while self._rest or (more := self._file.read(CHUNK)):
            self._rest = self._rest or more
            yield self._member()

    def is_last(self) -> bool:
        return self._file.tell() - len(self._rest) >= self._seal_at

    def _member(self) -> Iterator[bytes]:
        decompressor = zlib.decompressobj(GZIP)
        while not decompressor.eof:
            compressed = self._rest or self._file.read(CHUNK)
            if not compressed:
                raise BackupError("the file is truncated.")
            yield decompressor.decompress(compressed)
            self._rest = decompressor.unused_data


def _head(path: Path, file: BinaryIO) -> Manifest:
    try:
        if file.read(2) != MAGIC:
            raise BackupError("it is not compressed with gzip.")
        file.seek(0)
        return manifest.read(zlib.decompressobj(GZIP).decompress(file.read(CHUNK), LONGEST_HEAD))
    except zlib.error as error:
        raise BackupError(f"{path} cannot be used: its first bytes are damaged. Nothing was changed.") from error
    except BackupError as error:
        raise BackupError(f"{path} cannot be used: {error} Nothing was changed.") from error


def _digest_of(file: BinaryIO, size: int) -> str:
    digest = hashlib.sha256()
    while size > 0 and (chunk := file.read(min(CHUNK, size))):
        digest.update(chunk)
        size -= len(chunk)
    return digest.hexdigest()


def _seal(file: BinaryIO) -> tuple[int, re.Match[bytes] | None]:
    """Return the offset of the last member and its text; None if the file doesn't end with a seal."""
    size = file.seek(0, os.SEEK_END)
    for digits in ((64, 8, 64), (64,)):
        words = (SIGNED_SEAL if len(digits) > 1 else UNSIGNED_SEAL) % tuple(b"0" * count for count in digits)
        file.seek(max(0, size - len(_stored(words))))
        member = file.read()
        found = SEAL.search(member)
        if found and _stored(found[0]) == member:
            return size - len(member), found
    return size, None


def _stored(text: bytes) -> bytes:
    """Return a member of one stored block, made by hand so that its bytes never depend on a library."""
    block = struct.pack("<BHH", 1, len(text), len(text) ^ 0xFFFF) + text
    return MAGIC + b"\x08\0\0\0\0\0\0\xff" + block + struct.pack("<II", zlib.crc32(text), len(text))


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
