"""Check the parents of services: a parent must exist, and no service may be its own ancestor."""

from collections.abc import Mapping, Sequence

from monitoring.models import Service


def known() -> dict[str, str | None]:
    """Return the parent of each service that is not archived, by id. One query."""
    return dict(Service.objects.present().values_list("id", "parent_id"))


def circle(service_id: str, parent_id: str, parents: Mapping[str, str | None]) -> Sequence[str]:
    """Return the ids of the circle from a service over this parent back to it; empty if there is none."""
    path = [service_id]
    current: str | None = parent_id
    while current is not None and current not in path:
        path.append(current)
        current = parents.get(current)
    return [*path, service_id] if current == service_id else []
