"""Seal the secrets of services: encrypted at rest and in messages, opened where a request is made, shown to nobody.

A secret is `{"secret": "<text>"}` anywhere in the settings of a check. Rotating keys: put a new one in front of
`SECRETS_KEY`, save or sync each service once more (what an old key sealed is sealed anew), then drop the old one.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from monitoring.probes.secrets import KEY, is_secret, map_secrets

PREFIX = "sealed:"
PURPOSE = b"sla-monitor: secrets of services"
UNCHANGED = "unchanged"  # what an export says of a secret that it cannot name; taken back, it keeps what is stored
MASK = "••••"  # what forms show; taken back, it keeps what is stored


class Unsealable(Exception):
    """A sealed text that none of our keys opens. Says nothing of the text."""

    def __init__(self) -> None:
        super().__init__("a secret cannot be opened: SECRETS_KEY (or SECRET_KEY) is not the one it was sealed with")


class NothingKept(Exception):
    """A secret is to stay as it is where there is none."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


@dataclass(frozen=True, slots=True, repr=False)
class Opened:
    """A secret and the reference to the environment that it came from, such as `Bearer ${API_TOKEN}`."""

    value: str
    reference: str | None = None


def seal(value: str, reference: str | None = None) -> str:
    """Return a text that says nothing, another one each time."""
    content = json.dumps([value, reference]).encode()
    return PREFIX + _fernet(*_keys()).encrypt(content).decode()


def unseal(text: str) -> str:
    """Return the secret. Raises `Unsealable`."""
    return opened(text).value


def opened(text: str) -> Opened:
    """Return the secret and where it came from. Raises `Unsealable`."""
    try:
        value, reference = json.loads(_fernet(*_keys()).decrypt(text.removeprefix(PREFIX).encode()))
    except (InvalidToken, UnicodeEncodeError):
        raise Unsealable from None
    return Opened(value, reference)


def is_sealed(text: str) -> bool:
    return text.startswith(PREFIX)


def sealed(written: Any, stored: Any, path: str = "") -> Any:
    """Return settings with every secret sealed; one that is the same as the stored one stays as that is sealed.

    Raises `NothingKept` where a secret is said to be unchanged and none is stored, `Unsealable` for a foreign seal.
    """
    if is_secret(written):
        return {KEY: _sealed(written[KEY], stored[KEY] if is_secret(stored) else None, path)}
    if isinstance(written, Mapping):
        before = stored if isinstance(stored, Mapping) else {}
        return {key: sealed(value, before.get(key), f"{path}.{key}" if path else key) for key, value in written.items()}
    if isinstance(written, list):
        older = stored if isinstance(stored, list) and len(stored) == len(written) else [None] * len(written)
        return [sealed(value, before, path) for value, before in zip(written, older, strict=True)]
    return written


def has_plain(values: Any) -> bool:
    """Tell whether a secret among the settings is not sealed."""
    plain: list[str] = []
    map_secrets(values, lambda text: text if is_sealed(text) else plain.append(text))
    return bool(plain)


def masked(values: Any) -> Any:
    """Return settings as people may see them."""
    return map_secrets(values, lambda _: MASK)


def exported(values: Any) -> Any:
    """Return settings as a file may hold them: each secret as where it came from, or as unchanged."""

    def reference(text: str) -> str:
        try:
            return opened(text).reference or UNCHANGED
        except Unsealable:
            return UNCHANGED

    return map_secrets(values, reference)


def _sealed(text: str, stored: str | None, path: str) -> str:
    if text == stored:
        return text
    if text in (UNCHANGED, MASK):
        if stored is None:
            raise NothingKept(path)
        text = stored
    try:
        wanted = opened(text) if is_sealed(text) else Opened(text)
    except Unsealable:
        if text == stored:
            return text  # the key is lost, but nobody asks for a change: a probe will say so
        raise
    for each in (stored, text):
        if each is not None and _is_newest(each, wanted):
            return each
    return seal(wanted.value, wanted.reference)


def _is_newest(text: str, wanted: Opened) -> bool:
    """Tell whether a text is the wanted secret, sealed with the newest key."""
    try:
        content = _fernet(_keys()[0]).decrypt(text.removeprefix(PREFIX).encode())
    except (InvalidToken, UnicodeEncodeError):
        return False
    return is_sealed(text) and bool(json.loads(content) == [wanted.value, wanted.reference])


def _keys() -> list[str]:
    return [*settings.SECRETS_KEYS, settings.SECRET_KEY]


@lru_cache(maxsize=4)
def _fernet(*keys: str) -> MultiFernet:
    return MultiFernet([Fernet(_derived(key)) for key in keys])


@lru_cache(maxsize=16)
def _derived(key: str) -> bytes:
    """Derive a key of its own from a text key: what opens secrets signs no sessions."""
    return base64.urlsafe_b64encode(HKDF(SHA256(), 32, salt=None, info=PURPOSE).derive(key.encode()))
