"""Check metrics by Prometheus' rules: with `promtool check metrics` if it is installed, and always with these rules.

They are those of client_golang's `prometheus/testutil/promlint`, which promtool applies.
"""

import re
import shutil
import subprocess
from collections.abc import Iterator

from prometheus_client.parser import text_string_to_metric_families

TYPES = ("counter", "gauge", "histogram", "summary", "untyped")
ABBREVIATED = {"s", "ms", "us", "ns", "sec", "b", "kb", "mb", "gb", "tb", "pb", "m", "h", "d"}
BASE = "seconds|bytes|meters|metres|volts|amperes|joules|grams|celsius"
OTHER_UNITS = re.compile(
    rf"(?:pico|nano|micro|milli|centi|deci|deca|hecto|kilo|kibi|mega|mebi|giga|gibi|tera|tebi|peta|pebi)(?:{BASE})"
    "|minutes|hours|days|weeks|bits|kelvins?|fahrenheit|rankine|inches|yards|miles"
)
RESERVED = {"le": ("histogram",), "quantile": ("summary",)}
SUFFIXES = {"_bucket": ("histogram",), "_count": ("histogram", "summary"), "_sum": ("histogram", "summary")}
ABOUT = re.compile(r"# (HELP|TYPE) (\S+) ?(.*)")


def complaints(text: str) -> list[str]:
    """Return what is wrong with figures in the text format, in words."""
    list(text_string_to_metric_families(text))  # raises where it cannot be read
    found = [complaint for name, kind in _families(text, "TYPE") for complaint in _of_name(name, kind)]
    helps, types = dict(_families(text, "HELP")), [name for name, _kind in _families(text, "TYPE")]
    found += [f"{name}: it has no help" for name in types if not helps.get(name)]
    found += [f"{name}: it stands there twice" for name in set(types) if types.count(name) > 1]
    for family in text_string_to_metric_families(text):
        for label in {label for sample in family.samples for label in sample.labels}:
            if label in RESERVED and family.type not in RESERVED[label]:
                found.append(f"{family.name}: the label {label} is reserved")
            if not re.fullmatch(r"[a-z][a-z0-9_]*", label):
                found.append(f"{family.name}: the label {label} is not in snake_case")
    return sorted(found)


def promtools_complaints(text: str) -> str | None:
    """Return what promtool says, nothing when all is well; None where there is none."""
    program = shutil.which("promtool")
    if program is None:
        return None
    done = subprocess.run([program, "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr or ("" if done.returncode == 0 else f"promtool ended with {done.returncode}")


def _families(text: str, about: str) -> Iterator[tuple[str, str]]:
    """Yield each family with its help or type: the parser would call a counter by half of its name."""
    for line in text.splitlines():
        match = ABOUT.fullmatch(line)
        if match and match[1] == about:
            yield match[2], match[3]


def _of_name(name: str, kind: str) -> Iterator[str]:
    words = name.split("_")
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        yield f"{name}: it is not in snake_case"
    if (kind == "counter") != name.endswith("_total"):
        yield f"{name}: counters and they alone end with _total"
    if set(words) & set(TYPES):
        yield f"{name}: its name tells its type"
    if set(words) & ABBREVIATED:
        yield f"{name}: its unit is abbreviated"
    if any(OTHER_UNITS.fullmatch(word) for word in words):
        yield f"{name}: its unit is no base unit"
    for suffix, kinds in SUFFIXES.items():
        if name.endswith(suffix) and kind not in kinds:
            yield f"{name}: {suffix} is reserved"
