"""Seal the secrets of services: encrypted at rest and in messages, decrypted only for a request, never shown.

A secret is `{"secret": "<text>"}` anywhere in the settings of a check. A seal is bound to its place (the service, the
origin of its address, and the key in the settings): it cannot be opened in any other place.

Rotating keys: docs/operations.md; a secret sealed with an old key is sealed again when its service is saved or synced.
"""

import base64
import binascii
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from monitoring.probes.secrets import KEY, Place, is_secret, map_secrets
from observability.signing import derived, root_keys

PREFIX = "sealed:"
BOUND = "sealed:2:"  # bound to a place; seals of older releases, without the 2, are not
PURPOSE, OLDER_PURPOSE = b"sla-monitor: secrets of services, each at its place", b"sla-monitor: secrets of services"
NONCE_BYTES = 12
UNCHANGED = "unchanged"  # for a secret without a reference in an export; on import, it keeps the stored one
MASK = "••••"  # shown in forms; when submitted, it keeps the stored secret
DRAFT = Place("", "", "of a file that is being read")  # until the service is known


class Unsealable(Exception):
    """None of our keys opens a sealed text in this place. The message does not contain the text."""

    def __init__(self) -> None:
        super().__init__(
            "a secret cannot be opened: SECRETS_KEY (or SECRET_KEY) has changed since it was sealed, or it"
            " was sealed for another service, for another origin, or by an older release; enter the secret"
            " again"
        )


class NothingKept(Exception):
    """A secret is marked as unchanged, but none is stored."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


class LeftBehind(Exception):
    """Secrets are marked as unchanged, but the address has another origin, for which they must be entered again."""

    def __init__(self, keys: Sequence[str], before: str, after: str) -> None:
        super().__init__(f"{', '.join(keys)}: {before} → {after}")
        self.keys, self.before, self.after = keys, before, after


@dataclass(frozen=True, slots=True, repr=False)
class Opened:
    """A secret and its reference to the environment, such as `Bearer ${SERVICE_TOKEN}`."""

    value: str
    reference: str | None = None


def seal(value: str, place: Place, reference: str | None = None) -> str:
    """Return the encrypted text, which differs each time."""
    nonce, content = os.urandom(NONCE_BYTES), json.dumps([value, reference]).encode()
    sealed = _cipher(root_keys()[0]).encrypt(nonce, content, _bound(place))
    return BOUND + base64.urlsafe_b64encode(nonce + sealed).decode()


def unseal(text: str, place: Place) -> str:
    """Return the secret. Raises `Unsealable`."""
    return opened(text, place).value


def opened(text: str, place: Place) -> Opened:
    """Return the secret and its reference. Raises `Unsealable`."""
    return _opened(text, place, root_keys())


def is_sealed(text: str) -> bool:
    return text.startswith(PREFIX)


def sealed(written: Any, stored: Any, place: Place, before: Place) -> Any:
    """Return settings with every secret sealed at its place; a secret equal to the stored one keeps its seal.

    `before` is the place of the stored ones. Raises `NothingKept` if a secret is marked as unchanged and none is
    stored, `LeftBehind` if it is stored for another origin, and `Unsealable` for a foreign seal.
    """
    left: list[str] = []
    result = _sealed_below(written, stored, place, before, left)
    if left:
        raise LeftBehind(left, before.origin, place.origin)
    return result


def has_plain(values: Any) -> bool:
    """Return whether a secret among the settings is not sealed."""
    plain: list[str] = []
    map_secrets(values, lambda text: text if is_sealed(text) else plain.append(text))
    return bool(plain)


def masked(values: Any) -> Any:
    """Return settings with masked secrets, for people."""
    return map_secrets(values, lambda _: MASK)


def exported(values: Any, place: Place) -> Any:
    """Return settings for a file: each secret is replaced with its reference, or with `unchanged`."""

    def reference(text: str, at: Place) -> str:
        try:
            return opened(text, at).reference or UNCHANGED
        except Unsealable:
            return UNCHANGED

    return _map_at(values, place, reference)


def bound(values: Any, place: Place) -> Any:
    """Return settings in which seals of an older release are bound to their places. Raises `Unsealable`."""

    def bind(text: str, at: Place) -> str:
        if text.startswith(BOUND):
            return text
        older = _opened_older(text)
        return seal(older.value, at, older.reference)

    return _map_at(values, place, bind)


def _map_at(values: Any, place: Place, change: Callable[[str, Place], str]) -> Any:
    if is_secret(values):
        return {KEY: change(values[KEY], place)}
    if isinstance(values, Mapping):
        return {key: _map_at(each, place.at(key), change) for key, each in values.items()}
    return [_map_at(each, place, change) for each in values] if isinstance(values, list) else values


def _sealed_below(written: Any, stored: Any, place: Place, before: Place, left: list[str]) -> Any:
    if is_secret(written):
        return {KEY: _sealed(written[KEY], stored[KEY] if is_secret(stored) else None, place, before, left)}
    if isinstance(written, Mapping):
        older = stored if isinstance(stored, Mapping) else {}
        return {
            key: _sealed_below(value, older.get(key), place.at(key), before.at(key), left)
            for key, value in written.items()
        }
    if isinstance(written, list):
        listed = stored if isinstance(stored, list) and len(stored) == len(written) else [None] * len(written)
        return [_sealed_below(*each, place, before, left) for each in zip(written, listed, strict=True)]
    return written


def _sealed(text: str, stored: str | None, place: Place, before: Place, left: list[str]) -> str:
    if text == stored or text in (UNCHANGED, MASK):
        if stored is None:
            raise NothingKept(place.key)
        if before != place:
            left.append(place.key)
            return stored
        return stored if text == stored else _renewed(stored, place)
    if is_sealed(text) and _opens(text, place):
        return text  # it was sealed in this call
    wanted = opened(text, DRAFT) if is_sealed(text) else Opened(text)
    if stored is not None and before == place and _is_newest(stored, place, wanted):
        return stored
    return seal(wanted.value, place, wanted.reference)


def _renewed(text: str, place: Place) -> str:
    """Return a stored seal, sealed again with the newest key if an older one or an older release sealed it."""
    try:
        wanted = opened(text, place) if text.startswith(BOUND) else _opened_older(text)
    except Unsealable:
        return text  # the key is lost, but no change is requested: the probe will report it
    return text if _is_newest(text, place, wanted) else seal(wanted.value, place, wanted.reference)


def _opens(text: str, place: Place) -> bool:
    try:
        opened(text, place)
    except Unsealable:
        return False
    return True


def _is_newest(text: str, place: Place, wanted: Opened) -> bool:
    """Return whether a text is the wanted secret, sealed with the newest key."""
    try:
        return _opened(text, place, root_keys()[:1]) == wanted
    except Unsealable:
        return False


def _opened(text: str, place: Place, keys: Sequence[str]) -> Opened:
    try:
        raw = base64.b64decode(text.removeprefix(BOUND), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise Unsealable from None
    for key in keys if text.startswith(BOUND) else ():
        try:
            content = _cipher(key).decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], _bound(place))
        except (InvalidTag, ValueError):  # ValueError: the text is too short
            continue
        return Opened(*json.loads(content))
    raise Unsealable


def _opened_older(text: str) -> Opened:
    """Open a seal of an older release, which is bound to no place; only to seal it again. Raises `Unsealable`."""
    ciphers = [Fernet(base64.urlsafe_b64encode(derived(key, OLDER_PURPOSE))) for key in root_keys()]
    try:
        return Opened(*json.loads(MultiFernet(ciphers).decrypt(text.removeprefix(PREFIX).encode())))
    except (InvalidToken, UnicodeEncodeError):
        raise Unsealable from None


def _bound(place: Place) -> bytes:
    """Return a place as the associated data that authenticates a seal."""
    return json.dumps([place.service_id, place.origin, place.key]).encode()


@lru_cache(maxsize=16)
def _cipher(key: str) -> AESGCM:
    return AESGCM(derived(key, PURPOSE))
