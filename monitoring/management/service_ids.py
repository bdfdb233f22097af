"""Ids of services that commands were given, and an error that says which ids there are."""

from collections.abc import Sequence

from django.core.management.base import CommandError

from monitoring.probes.suggestions import did_you_mean

SHOWN = 10


def require(ids: Sequence[str], known: Sequence[str]) -> None:
    """Raise `CommandError` for the first id that is not known."""
    for id in ids:
        if id not in known:
            raise CommandError(f"There is no service {id!r}. {_hint(id, known)}")


def _hint(id: str, known: Sequence[str]) -> str:
    if not known:
        return "There are no services yet; add them with: manage.py sync_services services.yaml"
    more = ", …" if len(known) > SHOWN else ""
    return did_you_mean(id, known).strip() or f"Available: {', '.join(sorted(known)[:SHOWN])}{more}."
