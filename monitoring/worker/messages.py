"""Convert probe specs and results to messages: the names of the fields once, then one row of values for each."""

from collections.abc import Callable, Sequence
from dataclasses import fields
from operator import attrgetter
from typing import Any

from monitoring.probes.model import ErrorType, MeasuredRequest, Phases, ProbeResult, ProbeSpec, Verdict
from monitoring.worker.canaries import Look, packed, unpacked

Table = dict[str, Any]  # {"fields": [name, …], "rows": [[value, …], …]}; JSON types only
Row = Sequence[Any]

SPEC = tuple(field.name for field in fields(ProbeSpec))
RESULT = tuple(field.name for field in fields(ProbeResult) if field.compare)  # the others are not sent
REQUEST = tuple(field.name for field in fields(MeasuredRequest) if field.compare)
PHASES = tuple(field.name for field in fields(Phases))
_spec_values, _result_values = attrgetter(*SPEC), attrgetter(*RESULT)
_request_values, _phase_values = attrgetter(*REQUEST), attrgetter(*PHASES)


def pack_specs(specs: Sequence[ProbeSpec]) -> Table:
    return {"fields": SPEC, "rows": [_spec_values(spec) for spec in specs]}


def unpack_specs(table: Table) -> list[ProbeSpec]:
    """Parse specs, also of a newer version: unknown fields are ignored. Raises TypeError if a field is missing."""
    named = _naming(SPEC, table["fields"])
    return [ProbeSpec(**named(row)) for row in table["rows"]]


def pack_results(results: Sequence[ProbeResult], look: Look | None = None) -> Table:
    """Return the message with results, and with the look of the worker's canaries when they were complete."""
    rows = []
    for result in results:
        values = dict(zip(RESULT, _result_values(result), strict=True))
        values["phases"] = _phase_values(result.phases)
        values["requests"] = [
            [_phase_values(value) if isinstance(value, Phases) else value for value in _request_values(request)]
            for request in result.requests
        ]
        rows.append(list(values.values()))
    return {"fields": RESULT, "request_fields": REQUEST, "phase_fields": PHASES, "rows": rows, "look": packed(look)}


def look_of(table: Table) -> Look | None:
    return unpacked(table.get("look"))


def unpack_results(table: Table) -> list[ProbeResult]:
    """Parse results, also of a worker of another version; see `unpack_specs`."""
    named = _naming(RESULT, table["fields"])
    named_request, named_phases = _naming(REQUEST, table["request_fields"]), _naming(PHASES, table["phase_fields"])

    def request(row: Row) -> MeasuredRequest:
        values = named_request(row)
        values["phases"] = Phases(**named_phases(values["phases"]))
        return MeasuredRequest(**values)

    def result(row: Row) -> ProbeResult:
        values = named(row)
        values["verdict"] = Verdict(values["verdict"])
        values["error_type"] = values["error_type"] and ErrorType(values["error_type"])
        values["phases"] = Phases(**named_phases(values["phases"]))
        values["requests"] = tuple(map(request, values["requests"]))
        return ProbeResult(**values)

    return [result(row) for row in table["rows"]]


def _naming(known: Sequence[str], fields: Sequence[str]) -> Callable[[Row], dict[str, Any]]:
    """Return a function that maps the values of a row to their names, without the unknown ones."""
    if set(fields) <= set(known):
        return lambda row: dict(zip(fields, row, strict=True))
    return lambda row: {name: value for name, value in zip(fields, row, strict=True) if name in known}
