"""The sample services of the demonstration, which are those of the specification, with their local targets.

People read them in one language, that of the installation.
"""

from dataclasses import dataclass

from django.conf import settings
from django.utils import translation
from django.utils.translation import gettext_noop

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
        name, korean, _path = SERVICES[self.service_id]
        return {"name": name, "display_name": korean if settings.LANGUAGE_CODE == "ko" else name}

    @property
    def text(self) -> str:
        with translation.override(settings.LANGUAGE_CODE):
            return translation.gettext(self.description)

    def url(self, port: int) -> str:
        return f"http://127.0.0.1:{port}/{self.kind}"


SAMPLE_SERVICES = (
    SampleService(
        "id-recognition", Kind.STEADY, gettext_noop("Demonstration: answers steadily, a little slower by day.")
    ),
    SampleService("face-liveness", Kind.EVENING, gettext_noop("Demonstration: slow every evening from 18:00.")),
    SampleService("id-liveness", Kind.FAST, gettext_noop("Demonstration: always fast.")),
    SampleService(
        "face-compare", Kind.FLAPPING, gettext_noop("Demonstration: fails for about twenty seconds every six minutes.")
    ),
    SampleService(
        "curp-verifier", Kind.TWICE_A_WEEK, gettext_noop("Demonstration: down twice a week, for up to two hours.")
    ),
)
