"""Log our own slow statements, whatever the server: its log may be far away, or not contain them."""

import logging
import time
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.db.backends.base.base import BaseDatabaseWrapper

logger = logging.getLogger(__name__)

LONGEST = 500  # characters of a statement


def watch(connection: BaseDatabaseWrapper, **_: Any) -> None:
    """Time every statement of a connection; called for each new one, possibly more than once."""
    if log_if_slow not in connection.execute_wrappers:
        connection.execute_wrappers.append(log_if_slow)


def log_if_slow(execute: Callable[..., Any], sql: object, params: object, many: bool, context: dict[str, Any]) -> Any:
    """Execute a statement and log it if it was slow; never its parameters, which may be secrets."""
    began = time.perf_counter()
    try:
        return execute(sql, params, many, context)
    finally:
        took_ms = (time.perf_counter() - began) * 1000
        if took_ms > settings.SLOW_QUERY_MS:
            logger.warning("slow statement", extra={"ms": round(took_ms), "sql": " ".join(str(sql).split())[:LONGEST]})
