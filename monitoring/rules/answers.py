"""Define answers, and compute figures from their response times. Pure.

Only answers have a response time: a refusal within half a millisecond does not make a service fast, nor a timeout slow.
In SQL, the condition for a check is `verdict <> 'bad' OR (error_type = 'http_error' AND status_code IS NOT NULL)`, for
a request `status_code IS NOT NULL`. Rows of requests without a complete answer are stored without a time.
"""

from monitoring.probes.model import ErrorType, MeasuredRequest, ProbeResult, Verdict


def is_answer(verdict: str, error_type: str | None, status_code: int | None) -> bool:
    """Return whether the target of a check answered: as expected, or over HTTP with any response, such as a 500."""
    return verdict != Verdict.BAD or (error_type == ErrorType.HTTP and status_code is not None)


def response_ms(result: ProbeResult) -> float | None:
    """Return the response time of a check; None without an answer, or for a ping without a duration."""
    took = is_answer(result.verdict, result.error_type, result.status_code)
    return result.phases.total_ms or None if took else None


def request_ms(result: ProbeResult, hop: int, request: MeasuredRequest) -> float | None:
    """Return the response time of one request of a check; None if the answer is missing or incomplete."""
    is_last = hop == len(result.requests) - 1
    if request.status_code is None or (is_last and response_ms(result) is None):
        return None
    return request.phases.total_ms


def average_ms(count: int, hundredths: int) -> float | None:
    """Return the mean of times from their sum in hundredths of a millisecond, rounded to a hundredth, half up.

    Uses integers, so that the result does not depend on the order in which the times are read.
    """
    return (2 * hundredths + count) // (2 * count) / 100 if count else None


def nearest_rank(percent: int, count: int) -> int:
    """Return the index of a percentile in `count` ascending values: the first one with at least this share up to it.

    This is the rule of SQL's `percentile_disc`. Uses integers, because 0.55 × 180 is more than 99 in floats.
    """
    return max(0, -(-percent * count // 100) - 1)
