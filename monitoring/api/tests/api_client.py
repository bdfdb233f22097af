"""A program that calls the API with a token."""

import json
from dataclasses import dataclass
from typing import Any

from django.test import Client
from django.utils import timezone

from accounts import tokens
from accounts.permissions import SCOPES_OF
from accounts.tests.cast import Person


@dataclass(frozen=True, slots=True)
class Program:
    text: str

    @classmethod
    def of(cls, person: Person, scope: str = "", name: str = "test") -> "Program":
        assert person.user is not None
        scope = scope or SCOPES_OF[person.user.role][-1]
        return cls(tokens.make(person.user, name, scope, days=366, now=timezone.now())[1])

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """Call an address below /api/v1/; text and bytes are sent as they are, and all else as JSON."""
        sent = body if isinstance(body, str | bytes) else json.dumps(body) if body is not None else ""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        named = {"authorization": f"Bearer {self.text}", **named}
        kind = named.pop("content-type", "application/json")
        return Client().generic(method, f"/api/v1/{path}", sent, content_type=kind, headers=named)

    def get(self, path: str, **headers: str) -> Any:
        return self.call("GET", path, **headers)

    def post(self, path: str, body: Any = None, **headers: str) -> Any:
        return self.call("POST", path, body, **headers)

    def put(self, path: str, body: Any, **headers: str) -> Any:
        return self.call("PUT", path, body, **headers)

    def patch(self, path: str, body: Any, **headers: str) -> Any:
        return self.call("PATCH", path, body, **headers)

    def delete(self, path: str, **headers: str) -> Any:
        return self.call("DELETE", path, **headers)


def error_of(response: Any) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


def fields_of(response: Any) -> dict[str, list[str]]:
    """Return what is wrong, by name."""
    assert error_of(response) == (422, "VALIDATION_FAILED"), response.content
    found: dict[str, list[str]] = {}
    for problem in response.json()["error"]["details"]["problems"]:
        found.setdefault(problem["field"], []).append(problem["message"])
    return found
