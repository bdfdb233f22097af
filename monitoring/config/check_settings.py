"""Validate the kind and the settings of a service's check, for services files, the admin and the API."""

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.utils import translation
from django.utils.translation import gettext_lazy as _

from monitoring.config import sealing
from monitoring.probes import KINDS
from monitoring.probes.secrets import Place
from monitoring.probes.settings import Problem, Settings
from monitoring.probes.suggestions import did_you_mean

PREFIX = "check."  # of these settings in a file, as in `check.expected_status`
DEFAULT_KIND = "http"


def kind_choices() -> list[tuple[str, str]]:
    """Return the kinds of checks for forms. A callable, so that a new kind needs no migration."""
    return [(kind.name, translation.gettext(kind.label)) for kind in KINDS.values()]


def is_probed(kind: str) -> bool:
    """Return whether services of a kind are probed; those of an unknown kind are not."""
    return kind in KINDS and KINDS[kind].is_active


def judged(
    kind: str, written: Mapping[str, Any], stored: Mapping[str, Any], place: Place, before: Place
) -> dict[str, Any]:
    """Validate settings and return them with secrets sealed at `place`; they replace `stored`, sealed at `before`.

    Raises `ValidationError` for the field check_settings with all problems; `key_of` returns the key of each.
    """
    if kind not in KINDS:
        what = _("unknown kind %(kind)s. %(hint)sAvailable kinds: %(known)s.")
        params = {"kind": kind, "hint": did_you_mean(kind, KINDS), "known": ", ".join(KINDS)}
        raise ValidationError({"kind": ValidationError(what, params=params)})
    try:
        sealed = sealing.sealed(written, stored, place, before)
    except sealing.NothingKept as error:
        what = _(
            "there is no stored secret to keep. Enter the secret, or ${SERVICE_TOKEN} to read it from the environment."
        )
        raise ValidationError({"check_settings": [_error(error.path, str(what))]}) from None
    except sealing.LeftBehind as error:
        raise ValidationError({"check_settings": [_left_behind(key, error) for key in error.keys]}) from None
    except sealing.Unsealable:
        raise ValidationError(
            {"check_settings": [_error("", str(_("the secret was sealed by another installation.")))]}
        ) from None
    settings, problems = KINDS[kind].read(sealed)
    if settings is not None:
        problems = _secret_problems(settings, place)
    errors = [_error(problem.key, _words(problem)) for problem in problems]
    if errors:
        raise ValidationError({"check_settings": errors})
    return dict(sealed)


def _secret_problems(settings: Settings, place: Place) -> list[Problem]:
    try:
        return list(settings.secret_problems(place, sealing.unseal))
    except sealing.Unsealable:
        return []  # an older one whose key is lost and that nobody changes; the probe reports it


def check_url(kind: str, url: str | None) -> None:
    """Refuse an address that a check of this kind cannot have. Raises `ValidationError` for endpoint_url."""
    known = KINDS.get(kind)
    if known is None:
        return
    if known.needs_url and not url:
        raise ValidationError({"endpoint_url": _("The address is missing; this kind of check needs one.")})
    problem = known.url_problem(url or "")
    if problem is not None:
        raise ValidationError({"endpoint_url": _words(problem)})


def key_of(error: ValidationError) -> str:
    """Return the key below `check:` that an error is about; empty if it is about all settings."""
    return str((error.params or {}).get("key", ""))


def words_of(error: ValidationError) -> str:
    """Return an error without its key."""
    return str((error.params or {}).get("what", " ".join(error.messages)))


def _error(key: str, what: str) -> ValidationError:
    path = f"{PREFIX}{key}" if key else "check"
    return ValidationError("%(path)s: %(what)s", params={"path": path, "key": key, "what": what})


def _left_behind(key: str, error: sealing.LeftBehind) -> ValidationError:
    what = _(
        "the new address has another origin (%(before)s → %(after)s), and a secret is never sent to a"
        " new origin automatically. Enter the secret again to allow it, or keep the address."
    )
    return _error(key, str(what) % {"before": error.before or "–", "after": error.after or "–"})


def _words(problem: Problem) -> str:
    return translation.gettext(problem.message) % problem.params
