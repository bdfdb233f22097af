"""The sample services of the demonstration, which are those of the specification, with their local targets."""

from dataclasses import dataclass

from slamonitor.demo.behaviours import Kind
from slamonitor.seeding import SERVICES

LIVE_INTERVAL_MS = 10_000
MARK = "demo_url"  # a key of the metadata: the URL set here, to recognize that a user changed it


@dataclass(frozen=True, slots=True)
class SampleService:
    """A service, and the behaviour of its target."""

    service_id: str
    kind: Kind
    description: str

    @property
    def names(self) -> dict[str, str]:
        name, display_name, _path = SERVICES[self.service_id]
        return {"name": name, "display_name": display_name}

    def url(self, port: int) -> str:
        return f"http://127.0.0.1:{port}/{self.kind}"


SAMPLE_SERVICES = (
    SampleService("id-recognition", Kind.STEADY, "Demonstration: answers steadily, a little slower by day."),
    SampleService("face-liveness", Kind.EVENING, "Demonstration: slow every evening from 18:00."),
    SampleService("id-liveness", Kind.FAST, "Demonstration: always fast."),
    SampleService("face-compare", Kind.FLAPPING, "Demonstration: fails for about twenty seconds every six minutes."),
    SampleService("curp-verifier", Kind.TWICE_A_WEEK, "Demonstration: down twice a week, for up to two hours."),
)
