"""A client of the API in a single file: traces, typed errors, and retries that take effect once. Needs httpx.

with Client("https://status.example.com", token="slm_…") as client:
    services = client.get("/api/v1/services")
    client.send("POST", "/api/v1/services/payments/pause", {"reason": "moving house"})
    for draft in client.pages("/api/v1/incidents?stage=draft"):
        client.send("POST", f"/api/v1/incidents/{draft['id']}/publish")
    plan, tag = client.get_with_tag("/api/v1/maintenance_plans/7")
    client.send("PATCH", "/api/v1/maintenance_plans/7", {"duration_minutes": 90}, tag=tag)
"""

import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self

import httpx

RETRYABLE = frozenset({408, 429, 502, 503, 504})
LONGEST_WAIT_S = 30.0


class ApiFailure(Exception):
    """An error response of the API. `str` of it is a readable message that names the trace to quote."""

    def __init__(
        self,
        *,
        code: str,
        message: str,
        status: int | None,
        details: Mapping[str, Any],
        trace_id: str,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(f"{message} ({code}, trace {trace_id})")
        self.code, self.message, self.status, self.details = code, message, status, details
        self.trace_id, self.retry_after_s = trace_id, retry_after_s

    @property
    def is_retryable(self) -> bool:
        """Return whether the same request may succeed a little later."""
        return self.status is None or self.status in RETRYABLE or self.code == "IDEMPOTENCY_KEY_IN_USE"


class Request:
    """A request that takes effect once, however often it is sent; its key is renewed after success."""

    def __init__(self, client: "Client", method: str, path: str, body: Any, tag: str | None = None) -> None:
        self._client, self._method, self._path, self._body = client, method, path, body
        self._headers = {} if tag is None else {"If-Match": tag}
        self.key = secrets.token_urlsafe(24)

    def send(self) -> Any:
        """Return the response. Raises `ApiFailure`; then `send` may be called again."""
        result = self._client._retried(
            self._method, self._path, self._body, {**self._headers, "Idempotency-Key": self.key}
        )
        self.key = secrets.token_urlsafe(24)
        return result


class Client:
    """Requests under one base URL. `trace_id` continues a trace; otherwise each call begins a trace."""

    def __init__(
        self,
        base_url: str,
        *,
        token: str = "",
        trace_id: str | None = None,
        attempts: int = 4,
        timeout_s: float = 10.0,
        wait: Callable[[float], object] = time.sleep,
    ) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._http = httpx.Client(base_url=base_url, headers=headers, timeout=timeout_s)
        self._trace_id, self._attempts, self._wait = trace_id, attempts, wait
        self._tag = ""  # of the last result

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def get(self, path: str) -> Any:
        """Return the resource at a path. Raises `ApiFailure`."""
        return self._retried("GET", path, None, {})

    def get_with_tag(self, path: str) -> tuple[Any, str]:
        """Return the resource at a path and the tag of this version. Raises `ApiFailure`."""
        result = self._retried("GET", path, None, {})
        return result, self._tag

    def pages(self, path: str) -> Iterator[Any]:
        """Yield the items of a list, reading page after page. Raises `ApiFailure`."""
        cursor: str | None = ""
        while cursor is not None:
            sign = "&" if "?" in path else "?"
            page = self.get(f"{path}{sign}cursor={cursor}" if cursor else path)
            yield from page["items"]
            cursor = page["next_cursor"]

    def send(self, method: str, path: str, body: Any = None, *, tag: str | None = None) -> Any:
        """Send a request that takes effect once, however often it is tried. Raises `ApiFailure`.

        With a tag, it changes that version only: somebody else's newer one is a failure with the status 412.
        """
        return self.request(method, path, body, tag=tag).send()

    def request(self, method: str, path: str, body: Any = None, *, tag: str | None = None) -> Request:
        """Prepare a request that the caller may send again after a failure."""
        return Request(self, method, path, body, tag)

    def _retried(self, method: str, path: str, body: Any, headers: Mapping[str, str]) -> Any:
        traced = {**headers, "traceparent": _traceparent(self._trace_id or secrets.token_hex(16))}
        for attempt in range(1, self._attempts + 1):
            try:
                return self._once(method, path, body, traced)
            except ApiFailure as failure:
                if attempt == self._attempts or not failure.is_retryable:
                    raise
                self._wait(min(LONGEST_WAIT_S, failure.retry_after_s or 0.25 * 2**attempt))
        raise AssertionError("attempts must be at least 1")

    def _once(self, method: str, path: str, body: Any, headers: Mapping[str, str]) -> Any:
        trace_id = headers["traceparent"].split("-")[1]
        try:
            response = self._http.request(method, path, json=body, headers=headers)
        except httpx.TransportError as error:
            words = f"The monitor cannot be reached: {error}"
            raise ApiFailure(code="UNREACHABLE", message=words, status=None, details={}, trace_id=trace_id) from error
        if response.is_success:
            self._tag = response.headers.get("ETag", "")
            return response.json() if response.content else None
        raise _failure(response, trace_id)


def _failure(response: httpx.Response, trace_id: str) -> ApiFailure:
    """Parse an error; one that is not in the API's form comes from a proxy or gateway."""
    try:
        said = response.json()["error"]
    except (ValueError, KeyError, TypeError):
        said = {}
    after = response.headers.get("Retry-After", "")
    return ApiFailure(
        code=said.get("code", "UNEXPECTED_ANSWER"),
        message=said.get("message", f"The monitor answered {response.status_code}."),
        status=response.status_code,
        details=said.get("details", {}),
        trace_id=said.get("trace_id") or trace_id,
        retry_after_s=float(after) if after.isdecimal() else None,
    )


def _traceparent(trace_id: str) -> str:
    return f"00-{trace_id}-{secrets.token_hex(8)}-01"
