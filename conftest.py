"""What every test shares: a real PostgreSQL and Redis for each process that runs tests, and settings that name them."""

import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from tempfile import TemporaryDirectory
from typing import Any

import hypothesis
import pytest

from slamonitor.embedded.postgres import EmbeddedPostgres
from slamonitor.embedded.redis import EmbeddedRedis
from slamonitor.tests import prepared_cluster

pytest_plugins = [
    "accounts.tests.cast",  # an admin, a reporter, a viewer and a stranger
    "slamonitor.tests.committed",
    "slamonitor.tests.side_by_side",
    "slamonitor.tests.browser.summary",
]
servers = ExitStack()

# Some environments forbid it. Each process that a test starts would then compile everything again, and so would pytest.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# HYPOTHESIS_PROFILE=thorough looks longer for what breaks a property. Neither fails because the machine is busy.
PATIENT: dict[str, Any] = {"deadline": None, "suppress_health_check": [hypothesis.HealthCheck.too_slow]}
hypothesis.settings.register_profile("usual", max_examples=50, **PATIENT)
hypothesis.settings.register_profile("thorough", max_examples=500, **PATIENT)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "usual"))


def pytest_configure(config: pytest.Config) -> None:
    """Start the servers before anything reads the settings, and load those: pytest-django then sets Django up.

    Each process that runs tests has servers of its own. The one that hands out tests (`pytest -n 2`) has none.
    """
    if config.getoption("dist", "no") != "no" and not hasattr(config, "workerinput"):
        # Our Celery app has named it. Those that run tests would inherit it, and set Django up too early.
        del os.environ["DJANGO_SETTINGS_MODULE"]
        return
    os.environ.update(
        DJANGO_SETTINGS_MODULE="slamonitor.settings",
        SECRET_KEY="for-tests-only-and-long-enough-to-be-accepted",
        REDIS_URL=servers.enter_context(EmbeddedRedis.running()),
        METRICS_DIR=servers.enter_context(TemporaryDirectory(prefix="slamonitor-metrics-")),
    )
    os.environ["DATABASE_URL"] = servers.enter_context(prepared_cluster.running(config.cache.mkdir("cluster")))
    from django.conf import settings

    # Files are served from where they lie; without a folder of collected ones whitenoise would warn.
    settings.STATIC_ROOT = None
    settings.LOGGING["root"]["handlers"] = []  # pytest collects what is logged


@pytest.fixture(scope="session")
def django_db_keepdb() -> bool:
    """Use the database that the prepared cluster has; what is new to it is still migrated."""
    return True


@pytest.fixture(scope="session")
def django_db_modify_db_settings_xdist_suffix() -> None:
    """Let each process call its database the same: it has a server of its own."""


@pytest.fixture(autouse=True)
def ask_in_our_own_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let health checks and figures see what a test has not committed."""
    from observability import deadlines, health

    monkeypatch.setattr(deadlines, "asker", deadlines.Asker(start=lambda name, work: work()))
    monkeypatch.setattr(health.checks, "kept_s", 0.0)


@pytest.fixture(autouse=True)
def go_by_our_own_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the engine go by the clock of this process, as without Redis: a test may have stopped that one."""
    from monitoring.config import clock

    monkeypatch.setattr(clock, "_clock", clock.BrokerClock(None))


@pytest.fixture(autouse=True)
def begin_with_no_sign_ins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no test be turned away for the sign-ins of others."""
    from accounts import sign_in_rate
    from observability.buckets import Buckets

    fresh = Buckets(sign_in_rate.AT_ONCE, sign_in_rate.THEN_EVERY_S, sign_in_rate.MOST_ADDRESSES)
    monkeypatch.setattr(sign_in_rate, "attempts", fresh)


def pytest_unconfigure(config: pytest.Config) -> None:
    servers.close()


@pytest.fixture(scope="session")
def postgres_at() -> Callable[..., AbstractContextManager[str]]:
    """A server of the test's own on a folder, for tests that break one; it yields its URL."""
    return EmbeddedPostgres.running
