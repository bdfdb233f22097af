"""The form of a service: grouped fields with explained units and defaults, validated by the model."""

from functools import cached_property
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import translation
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from monitoring.admin_site import check_fields
from monitoring.catalogue import parents
from monitoring.catalogue.planned import names_following
from monitoring.models import Service
from monitoring.probes import KINDS
from monitoring.probes.secrets import map_secrets

FIRST = ("endpoint_url", "kind", ("name", "id"), "check_interval")
ABOUT = ("display_name", "description", ("group_name", "tags"), "parent", "is_critical", "incident_mode", "metadata")
TIMING = ("timeout", "regions", "quorum", ("failure_threshold", "recovery_threshold"))
ASKED_FOR = frozenset({"heartbeat"})  # kinds that need settings, as nothing else says what to expect


def fieldsets(service: Service | None) -> tuple[Any, ...]:
    """Return the fields in groups: the first is open, and the settings if there are any; the others are collapsed."""
    own = service.kind if service is not None and service.check_settings else None
    return (
        (None, {"fields": FIRST}),
        *(_settings(kind.name, is_open=kind.name in ASKED_FOR or kind.name == own) for kind in KINDS.values()),
        (_("Timeout, regions and thresholds"), {"fields": TIMING, "classes": ["collapse"]}),
        (_("Names, group and tags"), {"fields": ABOUT, "classes": ["collapse"]}),
    )


def _settings(kind: str, *, is_open: bool) -> tuple[Any, dict[str, Any]]:
    """Return the group of a kind; `service-form.js` shows the one of the chosen kind."""
    title = format_lazy(_("Check settings: {kind}"), kind=translation.gettext_lazy(KINDS[kind].label))
    classes = [f"check-of-{kind}"] if is_open else [f"check-of-{kind}", "collapse"]
    return title, {"fields": check_fields.names()[kind], "classes": classes}


FIELDSETS = fieldsets(None)
HINTS = {  # what to enter as the URL, for each kind; the last word is an example
    "http": _("Enter a full URL, for example https://api.example.com/health"),
    "tcp": _("Enter a host and a port, for example tcp://db.example.com:5432"),
    "dns": _("Enter a name to look up, for example dns://example.com"),
    "tls": _("Enter a host and a port, for example tls://www.example.com:443"),
    "domain": _("Enter a registered domain, for example domain://example.com"),
    "reach": _("Enter a host, for example host://gateway.example.com"),
    "heartbeat": _("A heartbeat has no URL: the service reports to us."),
}
FOR_SCRIPT = {
    "hints": HINTS,
    "kinds": {scheme: kind.name for kind in KINDS.values() for scheme in kind.schemes},
    "passive": [kind.name for kind in KINDS.values() if not kind.is_active],
}
LABELS = {"regions": _("Regions"), "quorum": _("Regions that must agree")}
HELP = {
    "id": _(
        "Short identifier of lowercase letters, digits and hyphens, for example id-recognition. It"
        " cannot be changed later."
    ),
    "name": _("English name; must be unique."),
    "display_name": _("Name shown to people, in any language. Default: the name."),
    "group_name": _("Services with the same group are shown together on the page."),
    "tags": _("Separated by commas."),
    "parent": _("The parent service, if any."),
    "kind": _(
        "How the service is checked: by a probe over HTTP, TCP, DNS or TLS, by asking the registry of a domain,"
        " or by waiting for a heartbeat."
    ),
    "endpoint_url": HINTS["http"],
    "check_interval": _("60000 = one minute (the default). From 1000, one second, to 86400000, one day."),
    "timeout": _("5000 = five seconds (the default), for everything from DNS to the last byte. From 100 to 60000."),
    "regions": _("Regions to check from, separated by commas. If you have no workers in other regions: default."),
    "failure_threshold": _(
        "Number of failed checks in a row after which the service is down. Default: 2; for a heartbeat, 1."
    ),
    "recovery_threshold": _("Number of good checks in a row after which an outage ends. Default: 1."),
    "quorum": _("Number of regions that must see a failure. Only used with several regions. Default: more than half."),
    "is_critical": _("An outage of this service alone counts as a major outage of the whole system."),
    "incident_mode": _("What the monitor does when an outage of this service is confirmed."),
    "metadata": _("Optional JSON object for programs."),
}


CLONED = (
    "endpoint_url",
    "kind",
    "check_interval",
    "timeout",
    "regions",
    "quorum",
    "failure_threshold",
    "recovery_threshold",
    "description",
    "group_name",
    "tags",
    "parent",
    "is_critical",
)


def clone_of(service: Service) -> dict[str, Any]:
    """Return initial values for a service like another. Its secrets are bound to it, and must be entered again."""
    settings = map_secrets(service.check_settings, lambda _sealed: "")
    return {**{name: getattr(service, name) for name in CLONED}, **check_fields.shown(service.kind, settings)}


class ServiceForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic when running
    """The columns of a service, and a field for every setting of every kind."""

    class Meta:
        model = Service
        exclude = ("status", "is_active")  # noqa: DJ006  set by the checks, and by pausing with a reason
        labels = LABELS
        help_texts = HELP

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields |= check_fields.fields()
        self.fields["display_name"].required = False
        self._before = (self.instance.kind, self.instance.shown_settings) if self.instance.pk else ("", {})
        if self.instance.pk:
            self.initial.update(check_fields.shown(*self._before))
        if isinstance(parent := self.fields.get("parent"), forms.ModelChoiceField):
            parent.queryset = Service.objects.present()

    @cached_property
    def changed_data(self) -> list[str]:
        """Return the changed columns; all settings of a kind are one column."""
        settings = {name for names in check_fields.names().values() for name in names}
        own = check_fields.names().get(self["kind"].value() or "", ())
        touched: list[str] = super().changed_data
        changed = [name for name in touched if name not in settings]
        if "kind" in changed or not set(own).isdisjoint(touched):
            changed.append("check_settings")
        return changed

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or self.cleaned_data
        kind = str(data.get("kind"))
        if kind in KINDS:
            before = self._before[1] if kind == self._before[0] else {}
            self.instance.check_settings = check_fields.written(kind, data, before)
        if (parent := data.get("parent")) and (
            circle := parents.circle(self.instance.pk or data.get("id", ""), parent.id, parents.known())
        ):
            words = _("A service cannot be part of itself: %(circle)s.") % {"circle": " → ".join(circle)}
            self.add_error("parent", words)
        return data

    def _update_errors(self, errors: Any) -> None:
        """Attach each problem of the settings, which are one column, to the field that it is about."""
        if "endpoint_url" in self.errors and hasattr(errors, "error_dict"):
            errors.error_dict.pop("endpoint_url", None)  # that it is missing: it was refused
        of_settings = errors.error_dict.pop("check_settings", []) if hasattr(errors, "error_dict") else []
        for name, words in check_fields.placed(self.instance.kind, of_settings):
            self.add_error(name, words)
        super()._update_errors(errors)  # type: ignore[misc]  # not in the stubs

    def clean_endpoint_url(self) -> str | None:
        """Report an address without a scheme in the words of the chosen kind."""
        url, kind = self.cleaned_data["endpoint_url"], self["kind"].value()
        if url and "://" not in url and kind in HINTS:
            what = _("%(url)s is not a full URL. %(hint)s")
            raise ValidationError(what, params={"url": url, "hint": HINTS[kind]})
        return url or None

    def clean_id(self) -> str:
        id = str(self.cleaned_data["id"])
        if Service.objects.filter(id=id).exclude(archived_at=None).exists():
            # Otherwise its history would look like that of the new one.
            raise ValidationError(
                _(
                    "An archived service has this id. Choose another id, or restore the service from the list of"
                    " archived services."
                )
            )
        return id

    def clean_display_name(self) -> str:
        """Return the name if the display name is empty, as in a file."""
        names = {key: self.cleaned_data[key] for key in ("name", "display_name") if self.cleaned_data.get(key)}
        return str({**names, **names_following(names, None)}.get("display_name", ""))

    def clean_metadata(self) -> dict[str, Any]:
        return self.cleaned_data["metadata"] or {}
