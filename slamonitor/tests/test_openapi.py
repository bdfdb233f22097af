"""The API against its own description: whatever the OpenAPI file allows or forbids is sent, for each role."""

import json
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import hypothesis
import pytest
import schemathesis
from django.core import signals
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from django.utils import timezone
from hypothesis import HealthCheck
from hypothesis.internal.conjecture import providers
from hypothesis.internal.floats import float_to_int
from pytest_django import Settings
from sortedcontainers import SortedSet

from accounts import tokens
from accounts.permissions import SCOPES_OF, Role
from accounts.tests.cast import make_person
from monitoring.models import Service
from monitoring.tests.factories import make_service
from slamonitor.api import api
from slamonitor.openapi import SERVICE_ID, describe

pytestmark = pytest.mark.slow

NAMES = ["payments", "jobs", "gone", "nobody"]  # some services to be found, and one that is not
# Values that the file allows may still break a rule (422), meet something else (409) or another tag (412).
CONFIG = {
    "generation": {"mode": "all", "deterministic": True},
    "checks": {
        "negative_data_rejection": {"expected-statuses": [400, 401, 403, 404, 405, 409, 412, 413, 415, 422, 428]},
        "positive_data_acceptance": {"expected-statuses": ["2xx", "3xx", 401, 403, 404, 409, 412, 422]},
        "missing_required_header": {"expected-statuses": [401, 403, 404, 409, 428]},
    },
}


def described() -> schemathesis.BaseSchema:
    """Return the description of the API, whose tests know which services there are."""
    names = f'"", "enum": {json.dumps(NAMES)}'
    document = json.loads(json.dumps(describe(api)).replace(json.dumps(SERVICE_ID["pattern"]), names))
    loaded = schemathesis.openapi.from_dict(document, config=schemathesis.Config.from_dict(CONFIG))
    loaded.app = get_wsgi_application()
    return loaded


@pytest.fixture
def same_examples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep Hypothesis from trying constants of the code that is loaded: each commit would have other examples."""
    none = providers.Constants(  # type: ignore[attr-defined]
        integers=SortedSet(), floats=SortedSet(key=float_to_int), bytes=SortedSet(), strings=SortedSet()
    )
    monkeypatch.setattr(providers, "_get_local_constants", lambda: none)
    providers.CONSTANTS_CACHE.cache.clear()


@pytest.fixture
def give_token(db: None, settings: Settings, same_examples: None) -> Iterator[Callable[[str], str]]:
    """A way to a token for a role, where there are services of each sort."""
    settings.API_RATE_LIMIT = 0
    make_service("payments", endpoint_url="http://127.0.0.1:9/")  # nobody answers there
    make_service("jobs", kind="heartbeat", endpoint_url=None, check_settings={"period": 60})
    make_service("gone")
    Service.objects.filter(id="gone").update(archived_at=timezone.now())
    # The handlers at the end of a request would end the transaction of this test.
    signals.request_started.disconnect(close_old_connections)
    signals.request_finished.disconnect(close_old_connections)
    yield cache(token_of)  # one for all examples
    signals.request_started.connect(close_old_connections)
    signals.request_finished.connect(close_old_connections)


def token_of(role: str) -> str:
    user = make_person(role).user
    return tokens.make(user, "test", SCOPES_OF[role][-1], days=1, now=timezone.now())[1]


def bounded(examples: int) -> hypothesis.settings:
    """The same examples in every run. Those of the coverage phase come on top."""
    return hypothesis.settings(
        max_examples=examples,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


@described().parametrize()
@bounded(6)
def test_the_api_is_as_it_is_described(case: "schemathesis.Case[Any]", give_token: Callable[[str], str]) -> None:
    case.call_and_validate(headers={"Authorization": f"Bearer {give_token(Role.ADMIN)}"})


@pytest.mark.parametrize("role", [Role.VIEWER, Role.REPORTER])
@described().parametrize()
@bounded(3)
def test_it_is_so_for_those_who_may_less(
    case: "schemathesis.Case[Any]", give_token: Callable[[str], str], role: str
) -> None:
    case.call_and_validate(headers={"Authorization": f"Bearer {give_token(role)}"})
