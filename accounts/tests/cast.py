"""The shared cast: an admin, a reporter, a viewer and a stranger, each with a browser."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from django.test import Client

if TYPE_CHECKING:
    from accounts.models import User


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    client: Client
    user: "User" = None  # type: ignore[assignment]  # of a stranger, who has none


def make_person(role: str, **fields: object) -> Person:
    """Create a signed-in user of this role. The user has no password, because hashing one takes long."""
    # Not at the top: pytest reads this file before Django is set up.
    from accounts.models import User

    name = str(fields.pop("username", role))
    user = User.objects.create(username=name, email=f"{name}@example.com", role=role, password="!", **fields)
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return Person(client=client, user=user)


@pytest.fixture(autouse=True)
def english_again() -> Iterator[None]:
    """Reset the language of the last request: Django keeps it for the thread."""
    yield
    from django.utils import translation

    translation.deactivate()


@pytest.fixture
def admin(db: None) -> Person:
    return make_person("admin")


@pytest.fixture
def reporter(db: None) -> Person:
    return make_person("reporter")


@pytest.fixture
def viewer(db: None) -> Person:
    return make_person("viewer")


@pytest.fixture
def stranger(db: None) -> Person:
    return Person(client=Client())


@pytest.fixture
def cast(stranger: Person, viewer: Person, reporter: Person, admin: Person) -> dict[str, Person]:
    return {"stranger": stranger, "viewer": viewer, "reporter": reporter, "admin": admin}
