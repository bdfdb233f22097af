"""Metrics for Prometheus, summed over all processes of a machine: each writes a file, and `/metrics` adds them up.

Apps make counters and histograms here, and register collectors for values that are read at scrape time. If the
directory can't be written, metrics stay in memory and are those of the web process alone.
"""

import os
import socket
import sys
from bisect import bisect_right
from collections import Counter as Counts
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from django.conf import settings
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, values
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from observability import deadlines, harmless, log_sink

PREFIX = "slamonitor_"
DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"
HOST = socket.gethostname().replace("_", "-")  # read once: the library asks for its file's name at every count
FIRST_BYTES = 65_536
COLLECTED_WITHIN_S = 2.0

Collect = Callable[[], Iterable[Metric]]


class ReservedFile(MmapedDict):
    """The library's file with its space reserved: writing to a mapped file on a full disk would kill the process.

    Only its owner may read it, regardless of the umask.
    """

    def __init__(self, filename: str, read_mode: bool = False) -> None:
        if not read_mode:
            with open(os.open(filename, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab") as file:
                if file.tell() == 0:
                    _reserve(file.fileno(), FIRST_BYTES)
        super().__init__(filename, read_mode)  # type: ignore[no-untyped-call]

    def _init_value(self, key: str) -> None:
        if self._used + len(key.encode()) + 64 > self._capacity:
            _reserve(self._f.fileno(), self._capacity * 2)
        super()._init_value(key)  # type: ignore[no-untyped-call]


class BulkHistogram(Histogram):
    """A histogram that accepts many values at once."""

    def observe_many(self, numbers: Iterable[float]) -> None:
        """Add values as `observe` does each, but touch every bucket once."""
        ordered, counted = sorted(numbers), 0
        self._sum.inc(sum(ordered))
        for bound, bucket in zip(self._upper_bounds, self._buckets, strict=True):
            within_bound = bisect_right(ordered, bound)
            if within_bound > counted:
                bucket.inc(within_bound - counted)
                counted = within_bound


registry = CollectorRegistry(auto_describe=False)
_collectors: dict[str, Collect] = {}


def counter(name: str, words: str, labels: Sequence[str] = ()) -> Counter:
    """Make a counter. Labels must come from small closed sets: each combination is kept forever."""
    return Counter(PREFIX + name, words, labels, registry=registry)


def histogram(name: str, words: str, labels: Sequence[str] = (), *, buckets: Sequence[float]) -> BulkHistogram:
    """Make a histogram; `buckets` are upper bounds in base units."""
    return BulkHistogram(PREFIX + name, words, labels, registry=registry, buckets=buckets)


def open_gauge(name: str, words: str, labels: Sequence[str] = ()) -> Gauge:
    """Make a gauge of open objects; it counts those of live processes."""
    return Gauge(PREFIX + name, words, labels, registry=registry, multiprocess_mode="livesum")


def register_collector(name: str, collect: Collect) -> None:
    """Register a collector, called at each scrape. A collector that fails or is too slow is left out and named."""
    _collectors[name] = collect


def render(collectors: Mapping[str, Collect] = _collectors) -> bytes:
    """Return all metrics in the text format, including those of the registered collectors."""
    shown = CollectorRegistry(auto_describe=False)
    shown.register(_Everything(collectors))
    return generate_latest(shown)


class _Everything(Collector):
    """The counts of all processes, then the current values of the collectors."""

    def __init__(self, collectors: Mapping[str, Collect]) -> None:
        self._collectors = collectors

    def collect(self) -> Iterable[Metric]:
        found: dict[str, bool] = {}
        for name, collect in {"processes": _counted, **self._collectors}.items():
            families = deadlines.asker.within(f"collector {name}", COLLECTED_WITHIN_S, partial(_listed, collect))
            found[name] = families is not None
            yield from families or ()
        yield from _of_ourselves(found)


def _listed(collect: Collect) -> list[Metric]:
    return list(collect())


def _counted() -> Iterable[Metric]:
    if directory:
        _forget_dead(Path(directory))
    return MultiProcessCollector(None, directory).collect() if directory else registry.collect()


def _of_ourselves(found: dict[str, bool]) -> Iterable[Metric]:
    up = GaugeMetricFamily(f"{PREFIX}collector_up", "1 if the collector answered in time.", labels=["collector"])
    for name, is_up in found.items():
        up.add_metric([name], float(is_up))
    yield up
    shared = "1 if the metrics of all processes on this machine are included, 0 if only those of the web process are."
    yield GaugeMetricFamily(f"{PREFIX}metrics_shared", shared, value=float(directory is not None))
    both = [own_state(), *_reported]
    lost = "Log lines lost by the web process since it started, because the disk was full or the reader stopped."
    yield GaugeMetricFamily(f"{PREFIX}web_log_lines_dropped", lost, value=float(sum(each.dropped for each in both)))
    failed = "Failures of observability in the web process since it started. None of them failed a request."
    failures = GaugeMetricFamily(f"{PREFIX}web_observability_failures", failed, labels=["what"])
    for name, number in sum((Counts(each.failures) for each in both), Counts()).items():
        failures.add_metric([name], float(number))
    yield failures


class OwnState(NamedTuple):
    """The state of a process's own log and observability."""

    dropped: int  # lines
    failures: Mapping[str, int]


def own_state() -> OwnState:
    return OwnState(log_sink.dropped(), harmless.failures())


def report(state: OwnState) -> None:
    """Include the state that the other web process reports about itself, until it sends a newer one."""
    _reported[:] = [state]


_reported: list[OwnState] = []


def clear(path: Path) -> None:
    """Delete the files of processes of an earlier start. Nobody may be writing there."""
    with harmless.harmless("metrics directory"):
        for file in path.glob("*.db"):
            file.unlink(missing_ok=True)


def _forget_dead(path: Path) -> None:
    """Delete the gauges of open objects of dead processes on this machine."""
    for file in path.glob(f"gauge_live*_{HOST}-*.db"):
        pid = int(file.stem.rpartition("-")[2])
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            file.unlink(missing_ok=True)
        except PermissionError:
            continue


def _reserve(descriptor: int, size: int) -> None:
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)


def _writer() -> str:
    """Name the file of this process: containers that share a directory have the same process ids."""
    return f"{HOST}-{os.getpid()}"


def _prepared(path: Path) -> str | None:
    """Return the directory if it can be written."""
    trial = path / f"trial-{_writer()}"
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        trial.write_bytes(b"\0" * FIRST_BYTES)
        trial.unlink()
    except OSError as error:
        harmless.note("metrics directory", error)
        return None
    return str(path)


# A command ends soon, and would leave a file behind each time.
_is_command = bool(sys.argv) and Path(sys.argv[0]).name in ("manage.py", "slamonitor")
directory: str | None = None if _is_command else _prepared(settings.METRICS_DIR)
_any_values: Any = values
if directory:
    os.environ[DIRECTORY] = directory
    _any_values.MmapedDict = ReservedFile
    _any_values.ValueClass = values.MultiProcessValue(_writer)
else:
    _any_values.ValueClass = values.MutexValue
