"""Accept from the broker only messages that we signed, and none that could crash a worker.

Every other item is removed from its queue, counted and dropped: Celery ends a worker at a message that it can't parse.
"""

from collections.abc import Callable
from queue import Empty
from typing import Any

from celery.worker.consumer import Consumer as CeleryConsumer
from kombu.log import get_logger
from kombu.transport import redis as kombu_redis

from observability.refusals import refusals
from observability.signing import Forged, verified

logger = get_logger(__name__)


class Consumer(CeleryConsumer):  # type: ignore[misc]  # Celery is not typed
    """Verify each message before Celery reads it."""

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Any], None]:
        handle = super().create_task_handler(*args, **kwargs)
        broker_errors = (*self.connection_errors, *self.channel_errors)

        def on_message(message: Any) -> None:
            try:
                open_message(message)
                handle(message)
            except Forged as error:
                _refuse(message, str(error), broker_errors)
            except Exception as error:  # an unsigned header, such as `retries`, may contain anything
                if _is_of_broker(error, broker_errors):
                    raise
                _refuse(message, f"it cannot be read ({type(error).__name__})", broker_errors)

        return on_message


def open_message(message: Any) -> None:
    """Verify a message and replace its body by the signed content. Raises `Forged`."""
    if not isinstance(message.headers, dict) or not isinstance(message.headers.get("task"), str):
        raise Forged("it names no task")
    message.body = verified(message.body or b"", message.content_type, message.headers)
    message.content_type = "application/json"


def _refuse(message: Any, why: str, broker_errors: tuple[type[Exception], ...]) -> None:
    headers = message.headers if isinstance(message.headers, dict) else {}
    delivered = message.delivery_info if isinstance(message.delivery_info, dict) else {}
    refusals.note(why, delivered.get("routing_key"), headers.get("task"))
    if not message.acknowledged:
        message.reject_log_error(logger, broker_errors)


def _is_of_broker(error: Exception, broker_errors: tuple[type[Exception], ...]) -> bool:
    """Return whether the broker failed; kombu counts KeyError among its errors, which a message may cause."""
    return isinstance(error, broker_errors) and not isinstance(error, KeyError)


class Channel(kombu_redis.Channel):
    """Survive items in a list of Redis that are no messages."""

    def _brpop_read(self, **options: Any) -> Any:
        try:
            return super()._brpop_read(**options)  # type: ignore[no-untyped-call]
        except Exception as error:
            if _is_of_broker(error, (*self.connection_errors, *self.connection.channel_errors, Empty)):
                raise
            # The item has already left the list.
            refusals.note(f"it is no message ({type(error).__name__})")
            return True


class Transport(kombu_redis.Transport):
    Channel = Channel
