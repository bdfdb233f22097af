"""Process a request with an `Idempotency-Key` once: the same request again gets the stored result, even after a crash.

The result is stored in the transaction of the effect, under an advisory lock of the key, so there is never one without
the other. An error rolls its effects back, and its response is stored too, unless the next attempt may differ.
"""

import hashlib
import hmac
import json
import os
import re
from base64 import b64decode, b64encode
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils import timezone
from django.utils.translation import gettext as _

from database.locks import try_lock_in_transaction
from observability.api_answers import answer_exception, is_api
from observability.errors import ApiError
from observability.models import IdempotentRequest

RESULT_KEPT_FOR = timedelta(seconds=3600)
METHODS = ("POST", "PUT", "PATCH")
KEY = re.compile(r"[\x21-\x7e]{1,255}")
# With these, the next attempt may differ; after 412 and 428 it has another If-Match.
NOT_STORED = frozenset({401, 403, 412, 413, 428, 429})
KEPT_HEADERS = ("Content-Type", "Content-Language", "Location", "ETag", "Last-Modified", "Link")
NONCE_BYTES = 12
SWEPT_AT_ONCE = 10_000

View = Callable[..., HttpResponseBase]
Scope = Callable[[HttpRequest], str | None]
_scope: Scope = lambda request: None  # noqa: E731


def register_scope(scope: Scope) -> None:
    """Register how to identify the owner of a key: the sender, or None if unknown, and the key is then ignored.

    It must verify the credentials, because the stored result is given to the owner. It may raise `ApiError`.
    """
    global _scope
    _scope = scope


class IdempotencyMiddleware:
    """Runs last of all middleware, so that each of them can refuse a request before its key is looked up.

    A view with the attribute `asks_nobody` takes no credentials, so its requests have no owner of a key.
    """

    def __init__(self, get_response: View) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: View, args: Any, kwargs: Any) -> HttpResponseBase | None:
        key = request.META.get("HTTP_IDEMPOTENCY_KEY")  # `headers` would read all of them
        if key is None or request.method not in METHODS or not is_api(request) or hasattr(view, "asks_nobody"):
            return None
        try:
            if not KEY.fullmatch(key):
                raise _invalid_key()
            scope = _scope(request)
            return (
                None if scope is None else once(request, _hash(scope, key), key, lambda: view(request, *args, **kwargs))
            )
        except Exception as error:
            return answer_exception(request, error)


def once(request: HttpRequest, key_hash: bytes, key: str, act: Callable[[], HttpResponseBase]) -> HttpResponseBase:
    """Process and store the result, or return the stored one. Raises `ApiError` if the key is in use elsewhere."""
    fingerprint = _hash(request.method or "", request.path, request.META.get("QUERY_STRING", ""), request.body)
    with transaction.atomic():
        if not try_lock_in_transaction(f"idempotency {key_hash.hex()}"):
            raise _in_use()
        kept = IdempotentRequest.objects.filter(key_hash=key_hash, expires_at__gt=timezone.now()).first()
        if kept is not None:
            if not hmac.compare_digest(kept.fingerprint, fingerprint):
                raise _reused()
            return _replay(_open(key, bytes(kept.sealed_result)))
        response = _act(request, act)
        if isinstance(response, HttpResponse) and response.status_code < 500 and response.status_code not in NOT_STORED:
            _keep(key_hash, fingerprint, _seal(key, _result(response)), timezone.now() + RESULT_KEPT_FOR)
    return response


def sweep(now: datetime) -> int:
    """Delete expired results, the oldest first and a limited number at a time; return the number."""
    expired = IdempotentRequest.objects.filter(expires_at__lte=now).order_by("expires_at")[:SWEPT_AT_ONCE]
    return IdempotentRequest.objects.filter(key_hash__in=expired.values("key_hash")).delete()[0]


def _act(request: HttpRequest, act: Callable[[], HttpResponseBase]) -> HttpResponseBase:
    """Call the view in a savepoint, which an error rolls back."""
    with transaction.atomic():
        try:
            response = act()
        except Exception as error:
            response = answer_exception(request, error)
        if response.status_code >= 400:
            transaction.set_rollback(True)
    return response


def _keep(key_hash: bytes, fingerprint: bytes, sealed_result: bytes, expires_at: datetime) -> None:
    row = IdempotentRequest(
        key_hash=key_hash, fingerprint=fingerprint, sealed_result=sealed_result, expires_at=expires_at
    )
    fields = ["fingerprint", "sealed_result", "expires_at"]
    IdempotentRequest.objects.bulk_create(
        [row], update_conflicts=True, unique_fields=["key_hash"], update_fields=fields
    )


def _result(response: HttpResponse) -> dict[str, Any]:
    return {
        "status": response.status_code,
        "headers": {name: response.headers[name] for name in KEPT_HEADERS if name in response.headers},
        "body": b64encode(response.content).decode(),
        "is_in_format": getattr(response, "is_in_format", False),
    }


def _replay(result: dict[str, Any]) -> HttpResponse:
    """Answer with a stored result; a resource that was created then exists now, hence 200."""
    status = 200 if result["status"] == 201 else result["status"]
    response = HttpResponse(b64decode(result["body"]), status=status, headers=result["headers"])
    response.headers["Idempotent-Replayed"] = "true"
    response.is_in_format = result["is_in_format"]  # type: ignore[attr-defined]
    return response


def _hash(*parts: str | bytes) -> bytes:
    """Return a keyed hash, so that readers of the table can't try short keys and bodies."""
    digest = hmac.new(settings.SECRET_KEY.encode(), digestmod=hashlib.sha256)
    for part in parts:
        data = part if isinstance(part, bytes) else part.encode(errors="surrogatepass")
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.digest()


def _cipher(key: str) -> AESGCM:
    return AESGCM(_hash("seal of an idempotent result", key))


def _seal(key: str, result: dict[str, Any]) -> bytes:
    nonce = os.urandom(NONCE_BYTES)
    return nonce + _cipher(key).encrypt(nonce, json.dumps(result).encode(), None)


def _open(key: str, sealed: bytes) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(_cipher(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], None))
    return result


def _invalid_key() -> ApiError:
    return ApiError(
        "IDEMPOTENCY_KEY_INVALID",
        _("Idempotency-Key must have 1 to 255 visible ASCII characters, such as a UUID."),
        status=400,
    )


def _in_use() -> ApiError:
    return ApiError(
        "IDEMPOTENCY_KEY_IN_USE",
        _("The first request with this Idempotency-Key is still being processed. Try again in a moment."),
        status=409,
        headers={"Retry-After": "1"},
    )


def _reused() -> ApiError:
    return ApiError(
        "IDEMPOTENCY_KEY_REUSED",
        _("This Idempotency-Key was already used for another request. Use a new key."),
        status=422,
    )
