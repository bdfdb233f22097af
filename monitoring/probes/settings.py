"""Settings of a kind of probe: read a frozen dataclass from an operator's values, and report all problems.

A settings class describes each field by `setting(…)`, from which forms, documents and the API are made too. Messages
are msgids with parameters, which are translated when shown.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from functools import lru_cache
from typing import Any, TypeVar, get_type_hints

from monitoring.probes.secrets import Place
from monitoring.probes.suggestions import near, shown

TEXT_LENGTH = 1_000
Unseal = Callable[[str, Place], str]  # opens the sealed text of a secret at its place
MOST = 50  # values of one setting: each costs the probe loop time, which all other probes wait for
LONGEST_MS = 600_000


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem: the key, the value, and why it is refused."""

    key: str  # below `check:`, such as `timeout` or `headers.X-Key`; empty for the whole
    value: Any  # as written; None if it may contain a secret
    message: str  # a msgid with %(name)s
    params: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.message % self.params


class Notes:
    """Collect the problems of one setting while it is read."""

    def __init__(self, key: str) -> None:
        self._key = key
        self.problems: list[Problem] = []

    def add(self, message: str, value: Any, /, *, at: str = "", is_hidden: bool = False, **params: Any) -> None:
        """Note a problem; `at` is where inside the setting. Messages may use `%(value)s` unless it is hidden."""
        key = f"{self._key}.{at}" if at else self._key
        if is_hidden:
            value = None
        self.problems.append(Problem(key, value, message, {"value": shown(value), **params}))


Reader = Callable[[Any, Notes], Any]  # returns the value; what it returns after noting a problem is thrown away


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """The attributes of a setting other than its name, type and default."""

    label: str  # a few words, for forms; a msgid
    help: str  # one sentence; a msgid
    unit: str = ""  # ms, s, days, …
    low: int | None = None
    high: int | None = None
    choices: tuple[str, ...] = ()
    length: int = TEXT_LENGTH  # of a text, in bytes of UTF-8
    example: Any = None  # as an operator writes it
    placeholder: str = ""  # the default as an operator writes it, where it is kept in another form
    reader: Reader | None = None  # for what is neither text, whole number nor true/false
    holds_secrets: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """One field of a settings class, ready for a form or a table."""

    name: str
    type: str  # `text`, `whole number`, `true or false`, or `see help`
    default: Any  # as it is kept; MISSING where one must be given
    setting: Setting
    reader: Reader

    @property
    def is_required(self) -> bool:
        return self.default is MISSING


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The parent of the settings of all kinds."""

    def problems(self) -> Iterator[Problem]:
        """Yield problems between fields that are valid by themselves."""
        return iter(())

    def secret_problems(self, place: Place, unseal: Unseal) -> Iterator[Problem]:
        """Yield problems of unsealed secrets, when they are stored. `unseal` may raise."""
        return iter(())


S = TypeVar("S", bound=Settings)


def setting(default: Any = MISSING, /, **about: Any) -> Any:
    """Make a field of a settings class; `about` is as in `Setting`."""
    return field(default=default, metadata={"setting": Setting(**about)})


def degraded_over() -> Any:
    """Make the field `degraded_over_ms`, which every kind has that is probed."""
    return setting(
        None,
        label="Slow after",
        help="A good check whose total time is longer than this is slow.",
        unit="ms",
        low=1,
        high=LONGEST_MS,
    )


@lru_cache
def described(settings: type[Settings]) -> tuple[Described, ...]:
    """Return the fields of a settings class in order."""
    hints = get_type_hints(settings)
    return tuple(_describe(each.name, each.default, hints[each.name], each.metadata["setting"])
                 for each in fields(settings))  # fmt: skip


def read(settings: type[S], values: Mapping[str, Any]) -> tuple[S | None, list[Problem]]:
    """Return the settings, or None and all problems."""
    known = {each.name: each for each in described(settings)}  # type: ignore[arg-type]  # classes are hashable
    problems, found = [_unknown(key, value, known) for key, value in values.items() if key not in known], {}
    for name, each in known.items():
        if name not in values:
            if each.is_required:
                problems.append(Problem(name, None, "it is missing. %(help)s", {"help": each.setting.help}))
            continue
        notes = Notes(name)
        found[name] = _read_one(each, values[name], notes)
        problems += notes.problems
    if problems:
        return None, problems
    result = settings(**found)
    problems += result.problems()
    return (None if problems else result), problems


def _read_one(each: Described, value: Any, notes: Notes) -> Any:
    if value is None:
        if each.default is not None:
            notes.add("it is empty. Enter a value, or remove the line.", None)
        return None
    return each.reader(value, notes)


def _unknown(key: Any, value: Any, known: Mapping[str, Described]) -> Problem:
    meant = " or ".join(near(str(key), known))
    value = None if any(each.setting.holds_secrets for each in known.values()) else value
    if meant:
        return Problem(str(key), value, "unknown setting. Did you mean %(meant)s?", {"meant": meant})
    message = "unknown setting. Available settings: %(known)s."
    return Problem(str(key), value, message, {"known": ", ".join(known)})


def _describe(name: str, default: Any, hint: Any, about: Setting) -> Described:
    word, reader = {
        bool: ("true or false", _flag),
        int: ("whole number", _number(about)),
        str: ("text", _text(about)),
    }.get(getattr(hint, "__args__", (hint,))[0], ("see help", None))
    if about.reader is not None:
        word, reader = "see help", about.reader
    if reader is None:
        raise TypeError(f"setting {name} of type {hint} needs a reader")
    return Described(name=name, type=word, default=default, setting=about, reader=reader)


def _flag(value: Any, notes: Notes) -> Any:
    if not isinstance(value, bool):
        notes.add("%(value)s is neither true nor false.", value)
    return value


def _number(about: Setting) -> Reader:
    def read_number(value: Any, notes: Notes) -> Any:
        if isinstance(value, bool) or not isinstance(value, int):
            notes.add("%(value)s is not a whole number. Enter digits only, without unit or quotes.", value)
        elif about.low is not None and about.high is not None and not about.low <= value <= about.high:
            limits: dict[str, Any] = {
                "low": about.low,
                "high": about.high,
                "unit": f" {about.unit}" if about.unit else "",
            }
            notes.add("%(value)s is out of range. Enter a number from %(low)s to %(high)s%(unit)s.", value, **limits)
        return value

    return read_number


def _text(about: Setting) -> Reader:
    def read_text(value: Any, notes: Notes) -> Any:
        if about.choices:
            if value not in about.choices:
                choices = ", ".join(about.choices)
                notes.add("%(value)s is not a valid choice. Use one of %(choices)s.", value, choices=choices)
        elif is_text(value, notes) and len(value.encode()) > about.length:
            notes.add("it is longer than %(length)s bytes.", value, length=about.length)
        return value

    return read_text


def is_text(value: Any, notes: Notes, *, at: str = "", is_hidden: bool = False) -> bool:
    """Return whether a value is text that can be stored; add a problem if not."""
    if not isinstance(value, str):
        message = "it is not text. Put it in quotes." if is_hidden else "%(value)s is not text. Put it in quotes."
        notes.add(message, value, at=at, is_hidden=is_hidden)
        return False
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        notes.add("it contains a character that cannot be stored. Remove it.", value, at=at, is_hidden=is_hidden)
        return False
    return True


def few(value: Any, notes: Notes, most: int = MOST) -> Sequence[Any]:
    """Return a list, or one value as a list of it; add a problem if it is too long."""
    found = value if isinstance(value, list | tuple) else [value]
    if len(found) > most:
        notes.add("there are %(count)s values, more than %(most)s. Remove some.", None, count=len(found), most=most)
    return found[:most]


def texts(value: Any, notes: Notes, most: int = MOST) -> tuple[str, ...]:
    """Read one text or a list of them. A `Reader`."""
    found = few(value, notes, most)
    for number, each in enumerate(found, 1):
        if is_text(each, notes) and (not each or len(each.encode()) > TEXT_LENGTH):
            message = "text %(number)s is empty or longer than %(length)s bytes."
            notes.add(message, each, number=number, length=TEXT_LENGTH)
    return tuple(found)
