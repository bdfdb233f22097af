"""Sign the messages of tasks, so that access to the broker alone is not enough to forge or alter one.

A message body is Celery's JSON with an HMAC in front. The HMAC covers the body, the name of the task, the id of the
message and the start and end of its validity; `broker_door` verifies it before a worker does anything with the message.
The keys are derived from `SECRETS_KEY`, as are those that seal secrets, each for its own purpose.
"""

import base64
import hmac
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NoReturn

from celery.signals import before_task_publish
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from kombu.serialization import register
from kombu.utils import json

NAME, CONTENT_TYPE = "signed-json", "application/x-signed-json"
PURPOSE = b"sla-monitor: messages on the broker"
COVERED = ("task", "id", "eta", "expires")  # headers
_written: Callable[[Any], str] = json.dumps  # as Celery does, which writes instants, too; kombu is not typed
MAC_LENGTH = 44  # characters of base64


class Forged(Exception):
    """A message was not signed by us, or was altered; the reason contains none of its content."""


def root_keys() -> list[str]:
    """Return the keys of this installation: the first one seals and signs, all of them open and verify."""
    return [*settings.SECRETS_KEYS, settings.SECRET_KEY]


@lru_cache(maxsize=32)
def derived(key: str, purpose: bytes) -> bytes:
    """Derive a key of 32 bytes for one purpose: the key for secrets signs neither messages nor sessions."""
    return HKDF(SHA256(), 32, salt=None, info=purpose).derive(key.encode())


def verified(body: str | bytes, content_type: Any, headers: Mapping[str, Any]) -> bytes:
    """Return the JSON inside a signed body. Raises `Forged`."""
    if content_type != CONTENT_TYPE:
        raise Forged("it is not signed")
    raw = body.encode() if isinstance(body, str) else bytes(body)
    mac, content, about = raw[:MAC_LENGTH], raw[MAC_LENGTH:], _covered(headers)
    if not any(hmac.compare_digest(mac, _mac(key, about, content)) for key in root_keys()):
        raise Forged("it was not signed with our SECRETS_KEY, or it was altered")
    return content


@before_task_publish.connect
def _cover_headers(headers: dict[str, Any], body: Any, **_: Any) -> None:
    """Pass the headers to `_signed`, which gets only the body."""
    body[2]["signed"] = [headers.get(name) for name in COVERED]


def _signed(body: Any) -> str:
    about = _written(body[2].pop("signed", None)).encode()
    content = _written(body)
    return _mac(root_keys()[0], about, content.encode()).decode() + content


def _covered(headers: Mapping[str, Any]) -> bytes:
    return _written([headers.get(name) for name in COVERED]).encode()


def _mac(key: str, about: bytes, content: bytes) -> bytes:
    message = hmac.new(derived(key, PURPOSE), about, "sha256")
    message.update(b"\n")  # which never occurs in JSON
    message.update(content)
    return base64.b64encode(message.digest())


def _unverified(_body: Any) -> NoReturn:
    raise Forged("its signature was not verified")  # only `broker_door` opens a body


register(  # type: ignore[no-untyped-call]
    NAME, _signed, _unverified, content_type=CONTENT_TYPE, content_encoding="utf-8"
)
