"""Figures as programs see them: percentages as text, since a float would round them, and the seconds behind them."""

from pydantic import BaseModel, Field

from monitoring.ledger import Reading
from monitoring.models import AccountingPolicy
from monitoring.sla import Kind, percentage

PERCENTAGE = "Percent with two decimals, floored, as text; null where there is nothing to divide by."


class SecondsOut(BaseModel):
    """The seconds of a window by kind. They sum to as much of it as is accounted."""

    operational: int
    partial: int
    down: int
    unknown: int
    maintenance: int
    paused: int
    empty: int = Field(description="Before the service existed.")


class FiguresOut(BaseModel):
    uptime: str | None = Field(description=PERCENTAGE, examples=["99.98"])
    coverage: str | None = Field(description="The share of the time to be measured that was. " + PERCENTAGE)
    lower: str | None = Field(description="Uptime with the unknown time taken as down.")
    upper: str | None = Field(description="Uptime with the unknown time taken as up.")


class PolicyOut(BaseModel):
    """A version of the rules by which time is accounted."""

    name: str
    version: int
    effective_on: str


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


def policy_out(policy: AccountingPolicy) -> PolicyOut:
    return PolicyOut(name=policy.name, version=policy.version, effective_on=policy.effective_on.isoformat())
