"""CPU time and memory of a process and everything below it, from /proc."""

import os
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from slamonitor.tests.installation import command_line, family

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU seconds so far and resident memory now, by program."""

    cpu_s: dict[str, float]
    rss_mb: dict[str, float]

    def cpu_since(self, earlier: "Usage") -> dict[str, float]:
        return {name: self.cpu_s[name] - earlier.cpu_s.get(name, 0.0) for name in self.cpu_s}


def usage(root_pid: int) -> Usage:
    """Add up a process and all its descendants, including the usage of their ended children.

    Memory is the proportional set size: shared pages are counted once over all processes.
    """
    cpu: defaultdict[str, float] = defaultdict(float)
    memory: defaultdict[str, float] = defaultdict(float)
    for pid in family(root_pid):
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            name = _name(pid)
            cpu[name] += sum(map(int, fields[11:15])) / TICKS
            memory[name] += _pss_kb(pid) / 1024
        except (FileNotFoundError, ProcessLookupError):
            continue  # ended meanwhile
    return Usage(dict(cpu), dict(memory))


def _name(pid: int) -> str:
    command = command_line(pid)
    for word, name in (
        (" beat", "beat"),
        ("--hostname probe", "probe worker"),
        ("--hostname dispatch", "dispatch"),
        ("--hostname engine", "engine worker"),
        ("slamonitor.web", "web"),
        ("postgres", "PostgreSQL"),
        ("redis", "Redis"),
        ("valkey", "Redis"),
    ):
        if word in command:
            return name
    return "up"


def _pss_kb(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0
