"""The services of the demonstration, those of the specification, each with a target on loopback."""

from dataclasses import dataclass

from slamonitor.demo.behaviours import Kind
from slamonitor.seeding import SERVICES

LIVE_INTERVAL_MS = 10_000
MARK = "demo_url"  # in a service's metadata: the URL set here; a changed URL is kept


@dataclass(frozen=True, slots=True)
class Part:
    """A service and how its target behaves."""

    service_id: str
    kind: Kind
    description: str

    @property
    def names(self) -> dict[str, str]:
        name, display_name, _path = SERVICES[self.service_id]
        return {"name": name, "display_name": display_name}

    def url(self, port: int) -> str:
        return f"http://127.0.0.1:{port}/{self.kind}"


CAST = (
    Part("id-recognition", Kind.STEADY, "Demonstration: answers steadily, a little slower by day."),
    Part("face-liveness", Kind.EVENING, "Demonstration: slow every evening from 18:00."),
    Part("id-liveness", Kind.FAST, "Demonstration: always fast."),
    Part("face-compare", Kind.FLAPPING, "Demonstration: fails for about twenty seconds every six minutes."),
    Part("curp-verifier", Kind.TWICE_A_WEEK, "Demonstration: down twice a week, for up to two hours."),
)
