"""Take messages out of a queue in Redis, as a worker would."""

import json
from typing import Any

from kombu import Connection

from observability.signing import verified


def take(broker: Connection, queue: str) -> tuple[str, list[Any]] | None:
    """Return the task and the arguments of the next message of a queue, None where it is empty."""
    channel = broker.default_channel
    raw = channel.client.rpop(queue)  # type: ignore[attr-defined]
    if raw is None:
        return None
    message = channel.Message(json.loads(raw), channel=channel)  # type: ignore[no-untyped-call]
    args, _kwargs, _embed = json.loads(verified(message.body, message.content_type, message.headers))
    return message.headers["task"], args
