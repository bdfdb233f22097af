"""Sign backups with a key of the installation: attackers who can write the files can't sign them.

The keys are derived from `SECRETS_KEY`, or from `SECRET_KEY` if that is unset. The first one signs, all of them verify:
a new machine with the keys of the old one accepts its files, and an old key verifies for as long as it is listed.
"""

import hmac
from functools import lru_cache

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

PURPOSE = b"sla-monitor: backups"
KEY_ID_DIGITS = 8


def sign(digest: str) -> tuple[str, str]:
    """Return the name of our key and its signature of a digest, both in hexadecimal."""
    key = _keys()[0]
    return _name(key), _mac(key, digest)


def is_ours(digest: str, key_id: str, signature: str) -> bool:
    """Return whether one of our keys signed a digest."""
    return any(_name(key) == key_id and hmac.compare_digest(_mac(key, digest), signature) for key in _keys())


def key_ids() -> list[str]:
    """Return the names of our keys, the signing one first. They reveal nothing of the keys."""
    return [_name(key) for key in _keys()]


def _keys() -> list[bytes]:
    return [_derived(key) for key in (*settings.SECRETS_KEYS, settings.SECRET_KEY)]


def _name(key: bytes) -> str:
    return _mac(key, "name")[:KEY_ID_DIGITS]


def _mac(key: bytes, text: str) -> str:
    return hmac.digest(key, text.encode(), "sha256").hex()


@lru_cache(maxsize=16)
def _derived(key: str) -> bytes:
    """Derive a separate key from a text key: the key that signs backups opens no secrets."""
    return HKDF(SHA256(), 32, salt=None, info=PURPOSE).derive(key.encode())
