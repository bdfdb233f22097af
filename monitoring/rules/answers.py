"""What counts as an answer, and the figures of the times that answers took. Pure.

Only answers have a response time: a refusal within half a millisecond does not make a service fast, nor a timeout slow.
SQL says the same of a check, `verdict <> 'bad' OR (error_type = 'http_error' AND status_code IS NOT NULL)`, and of a
request, `status_code IS NOT NULL`; rows of requests that got no complete answer are stored without a time.
"""

from monitoring.probes.model import ErrorType, MeasuredRequest, ProbeResult, Verdict


def is_answer(verdict: str, error_type: str | None, status_code: int | None) -> bool:
    """Say whether the target of a check answered: as it should, or over HTTP with whatever else, such as a 500."""
    return verdict != Verdict.BAD or (error_type == ErrorType.HTTP and status_code is not None)


def response_ms(result: ProbeResult) -> float | None:
    """Return the time that the answer to a check took, None without one: a ping of a job may tell no time, too."""
    took = is_answer(result.verdict, result.error_type, result.status_code)
    return result.phases.total_ms or None if took else None


def request_ms(result: ProbeResult, hop: int, request: MeasuredRequest) -> float | None:
    """Return the time that the answer to one request of a check took, None where it did not come or broke off."""
    is_last = hop == len(result.requests) - 1
    if request.status_code is None or (is_last and response_ms(result) is None):
        return None
    return request.phases.total_ms


def average_ms(count: int, hundredths: int) -> float | None:
    """Return the mean of times whose sum is so many hundredths of a millisecond, to the nearest of those, half up.

    In whole numbers, so that it is the same in whatever order the times are read.
    """
    return (2 * hundredths + count) // (2 * count) / 100 if count else None


def nearest_rank(percent: int, count: int) -> int:
    """Return the index of a percentile in so many ascending values: the first that at least this share reach.

    This is the rule of SQL's `percentile_disc`; in whole numbers, for 0.55 of 180 is more than 99 in floats.
    """
    return max(0, -(-percent * count // 100) - 1)
