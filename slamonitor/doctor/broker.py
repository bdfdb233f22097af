"""Diagnose Redis: whether it answers, whether it stores data durably, and how many messages wait."""

from collections.abc import Mapping
from typing import Any

import redis
from django.conf import settings
from django.utils.translation import gettext as _

from monitoring.instruments.health import needed_regions
from observability.diagnostics import Finding, Table, bad, good, note, warning
from slamonitor.celery import app
from slamonitor.doctor.words import count, size
from slamonitor.embedded.redis import client_without_retries

OLDEST = (6, 2)
FULL, NEARLY_FULL = 0.95, 0.8
QUEUES = ("dispatch", "results", "alerts", "rollups")
# The usual number of waiting messages: some seconds of work, or some minutes in the queue of nightly work.
MAY_WAIT = {"dispatch": 10, "results": 500, "alerts": 500, "rollups": 50}
MAY_WAIT_PROBES = 100
FAR_TOO_MANY = 10  # times the usual number


def redis_answers() -> Finding:
    try:
        with client_without_retries(settings.REDIS_URL) as client:
            return judge_redis({**client.info(), "policy": _policy(client)})
    except redis.RedisError as error:
        remedy = _("Check that Redis is running and that REDIS_URL has the right host, port and password.")
        return bad(_("Redis cannot be reached: %(why)s") % {"why": error}, remedy)


def judge_redis(info: Mapping[str, Any]) -> Finding:
    """Judge the information of Redis; `policy` is its maxmemory-policy, empty if not permitted to read it."""
    used, limit = info["used_memory"], info.get("maxmemory", 0)
    words = {
        "version": info["redis_version"],
        "used": size(used),
        "limit": size(limit) if limit else _("no limit"),
        "policy": info["policy"],
    }
    if tuple(map(int, words["version"].split(".")[:2])) < OLDEST:
        return bad(_("Redis %(version)s is too old.") % words, _("Upgrade to Redis 6.2 or newer."))
    says = _("Redis %(version)s uses %(used)s of %(limit)s.") % words
    if limit and used >= FULL * limit:
        return bad(
            says, _("It refuses messages when full: start the workers that empty the queues, or raise maxmemory.")
        )
    if info["policy"] not in ("", "noeviction"):
        remedy = _("Set maxmemory-policy noeviction: a queue must not lose messages.")
        return bad(_("Redis drops messages when it is full (%(policy)s).") % words, remedy)
    if info.get("aof_enabled") and info.get("aof_last_write_status", "ok") != "ok":
        return bad(_("Redis could not write to its disk."), _("Free space on the disk of Redis."))
    if limit and used >= NEARLY_FULL * limit:
        return warning(says, _("Start the workers that empty the queues, or raise maxmemory."))
    if not info.get("aof_enabled"):
        return note(says, _("Messages in the queues are lost when Redis stops: set appendonly yes."))
    return good(says)


def _policy(client: Any) -> str:
    try:
        return str(client.config_get("maxmemory-policy").get("maxmemory-policy", ""))
    except redis.ResponseError:  # hosted servers forbid it
        return ""


def queues() -> Finding:
    return judge_queues(depths([*QUEUES, *(f"probes.{region}" for region in sorted(needed_regions()))]))


def depths(names: list[str]) -> dict[str, int]:
    """Return the number of messages in queues, for any broker; a queue that was never used has none."""
    found = {}
    with app.connection_for_read(connect_timeout=2) as connection:
        connection.ensure_connection(max_retries=1, timeout=3)
        for name in names:
            channel = connection.channel()  # the broker closes it when there is no such queue
            try:
                found[name] = int(channel.queue_declare(queue=name, passive=True).message_count)
            except connection.channel_errors:
                found[name] = 0
            finally:
                channel.close()
    return found


def judge_queues(waiting: Mapping[str, int]) -> Finding:
    """Judge the number of messages in each queue by its purpose."""
    columns = [_("Queue"), _("Messages"), _("Normal up to")]
    rows = [[name, count(number), count(_may_wait(name))] for name, number in waiting.items()]
    table = Table(columns=columns, rows=rows)
    behind = {name: number for name, number in waiting.items() if number > _may_wait(name)}
    if not behind:
        return good(_("%(count)s messages are waiting.") % {"count": count(sum(waiting.values()))}, table)
    says = _("These queues are falling behind: %(queues)s") % {
        "queues": ", ".join(f"{name} ({count(number)})" for name, number in behind.items())
    }
    remedy = _(
        "Check that a worker for that queue is running. If so, start another: docs/operations.md, “It falls behind”."
    )
    is_far = any(number > FAR_TOO_MANY * _may_wait(name) for name, number in behind.items())
    return (bad if is_far else warning)(says, remedy, table)


def _may_wait(name: str) -> int:
    return MAY_WAIT.get(name, MAY_WAIT_PROBES)
