"""The overhead of observability for a request of the API: trace, headers, log line and metrics, with and without it."""

import argparse
import gc
import io
import os
import tempfile
import time
from collections.abc import Callable
from statistics import median, quantiles
from typing import Any

OURS = "observability."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--requests", type=int, default=5000, help="of a round")
    parser.add_argument("--rounds", type=int, default=7)


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Call the whole middleware in this process, alternating with and without ours."""
    with tempfile.TemporaryDirectory(prefix="slamonitor-bench-") as folder:
        _set_up(folder)
        bare, full = _handler(with_ours=False), _handler(with_ours=True)
        for handler in (bare, full):
            _round(handler, 1000)
        gc.freeze()
        pairs = [(_round(bare, options.requests), _round(full, options.requests)) for _ in range(options.rounds)]
    figures: dict[str, Any] = {"requests": options.requests}
    for number, name in enumerate(("p50", "p99")):
        figures[f"without_{name}_ms"] = [without[number] for without, _ in pairs]
        figures[f"with_{name}_ms"] = [with_ours[number] for _, with_ours in pairs]
        figures[f"added_{name}_ms"] = [with_ours[number] - without[number] for without, with_ours in pairs]
    return figures


def as_table(figures: dict[str, Any]) -> str:
    """Return the medians and spreads as a Markdown table."""
    lines = ["| a request of the API, ms | median | spread |", "| --- | --- | --- |"]
    for name in ("without", "with", "added"):
        for part in ("p50", "p99"):
            values = figures[f"{name}_{part}_ms"]
            words = {"without": "without observability", "with": "with it", "added": "added by it"}[name]
            lines.append(f"| {words}, {part} | {median(values):.3f} | {min(values):.3f} – {max(values):.3f} |")
    return "\n".join(lines)


def _set_up(folder: str) -> None:
    os.environ.update(
        DJANGO_SETTINGS_MODULE="slamonitor.settings",
        DATABASE_URL="postgresql://nobody@localhost:1/none",  # no request here uses it
        REDIS_URL="redis://localhost:1/0",
        SECRET_KEY="for-benchmarks-only-and-long-enough-to-be-accepted",
        METRICS_DIR=folder,
        LOG_FORMAT="json",
    )
    import django
    from django.conf import settings

    handlers: Any = settings.LOGGING["handlers"]
    handlers["sink"]["descriptor"] = os.open(os.devnull, os.O_WRONLY)
    django.setup()


def _handler(*, with_ours: bool) -> Callable[[], None]:
    """Return a function that makes one request with all our middleware, or without that of observability."""
    from django.conf import settings
    from django.core.handlers.wsgi import WSGIHandler
    from django.test import override_settings

    chosen = [name for name in settings.MIDDLEWARE if with_ours or not name.startswith(OURS)]
    with override_settings(MIDDLEWARE=chosen):
        handler: Any = WSGIHandler()  # reads the list once

    def request() -> None:
        environ = {
            "REQUEST_METHOD": "GET",
            "PATH_INFO": "/api/none",
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "wsgi.input": io.BytesIO(),
            "wsgi.url_scheme": "http",
            "HTTP_HOST": "localhost",
            "HTTP_TRACEPARENT": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        }
        response = handler(environ, lambda status, headers: None)
        response.close()

    override_settings(ROOT_URLCONF="bench.one_view").enable()
    return request


def _round(request: Callable[[], None], number: int) -> tuple[float, float]:
    """Return the median and the 99th percentile of so many requests, in milliseconds."""
    took = []
    for _ in range(number):
        began = time.perf_counter()
        request()
        took.append((time.perf_counter() - began) * 1000)
    cuts = quantiles(took, n=100)
    return cuts[49], cuts[98]
