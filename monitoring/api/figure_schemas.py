"""Figures as JSON: percentages as text, since a float would round them, and the seconds behind them."""

from pydantic import BaseModel, Field

from monitoring.accounting.ledger import Reading
from monitoring.models.policies import LateMaintenance
from monitoring.rules.sla import Kind, percentage
from monitoring.states.terms import Terms

PERCENTAGE = "Percentage with two decimals, rounded down, as text; null if nothing was measured."

AS_MEASURED = (
    "Without approved restatements and without maintenance and pauses that were entered late; null"
    " if there are none, or if late entries change nothing."
)


class SecondsOut(BaseModel):
    """The seconds of a window by kind. They sum to its accounted part."""

    operational: int
    partial: int
    down: int
    unknown: int
    maintenance: int
    paused: int
    empty: int = Field(description="Time before the service existed.")


class FiguresOut(BaseModel):
    uptime: str | None = Field(description=PERCENTAGE, examples=["99.98"])
    coverage: str | None = Field(
        description="Share of the time to be measured that was actually measured. " + PERCENTAGE
    )
    lower: str | None = Field(description="Uptime if unknown time counts as down.")
    upper: str | None = Field(description="Uptime if unknown time counts as up.")


class BoundsOut(BaseModel):
    """The bounds of the seconds down, as the time between two checks is not measured."""

    at_least_s: int = Field(description="From the first bad check of each outage to its last.")
    at_most_s: int = Field(description="From the last good check before each outage to the first after it.")


class PolicyOut(BaseModel):
    """A version of the rules by which time is accounted, with the thresholds of the service at that time."""

    name: str
    version: int
    effective_on: str
    failure_threshold: int = Field(description="Failure threshold; the service may have its own.")
    recovery_threshold: int = Field(description="Recovery threshold; the service may have its own.")
    maintenance_notice_hours: int = Field(
        description="Minimum time between entering a maintenance window and its beginning."
    )
    late_maintenance: LateMaintenance = Field(
        description="Accounting of later entries. `count`: as measured; `restate`: excluded, and shown as entered late."
    )


def figures_out(reading: Reading) -> FiguresOut:
    figures = reading.figures
    return FiguresOut(
        uptime=percentage(figures.uptime),
        coverage=percentage(figures.coverage),
        lower=percentage(figures.lower),
        upper=percentage(figures.upper),
    )


def seconds_out(reading: Reading) -> SecondsOut:
    return SecondsOut(**{str(kind): reading.seconds[kind] for kind in Kind})


def bounds_out(reading: Reading) -> BoundsOut:
    return BoundsOut(**reading.down._asdict())


def policy_out(terms: Terms) -> PolicyOut:
    version, rules = terms.version, terms.rules
    return PolicyOut(
        name=version.name,
        version=version.version,
        effective_on=version.effective_on.isoformat(),
        failure_threshold=rules.failure_threshold,
        recovery_threshold=rules.recovery_threshold,
        maintenance_notice_hours=version.maintenance_notice_hours,
        late_maintenance=LateMaintenance(version.late_maintenance),
    )
