"""The field of a date and time in forms: the hour that clocks show twice is entered with its offset."""

import re
from datetime import datetime, time
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import DateTimeField
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from unfold.widgets import UnfoldAdminSplitDateTimeWidget

from monitoring.config.local_times import read_instant, words_of
from monitoring.rules.local_times import Repeated, Skipped, instant_of, is_repeated, with_offset

_WITH_OFFSET = re.compile(r"(.*\S)\s*(Z|[+-]\d\d(?::?\d\d)?)", re.ASCII)


class LocalTimeField(forms.TimeField):
    """A time, with an offset such as `+02:00` if there is one."""

    def to_python(self, value: Any) -> Any:
        match = _WITH_OFFSET.fullmatch(value.strip()) if isinstance(value, str) else None
        if match is None:
            return super().to_python(value)
        found = super().to_python(match[1])
        with_zone = parse_datetime(f"2000-01-01T00:00:00{match[2]}")
        if found is None or with_zone is None:
            raise ValidationError(self.error_messages["invalid"], code="invalid")
        return found.replace(tzinfo=with_zone.tzinfo)


class LocalDateTimeWidget(UnfoldAdminSplitDateTimeWidget):
    def decompress(self, value: Any) -> list[Any]:
        """Return date and time; one that clocks show twice with its offset, so that it is not asked for again.

        In a link to a form, the value is text of anybody: `add/?since=2026-10-25T02:30`.
        """
        if isinstance(value, str):
            value = _instant_of_link(value)
        if value is None:
            return [None, None]
        local = timezone.localtime(value) if timezone.is_aware(value) else value
        if local.tzinfo and is_repeated(local, local.tzinfo):
            return [local.date(), with_offset(local, "%H:%M:%S")]
        return [local.date(), local.time()]


def _instant_of_link(text: str) -> datetime | None:
    try:
        found = read_instant(text, timezone.get_current_timezone())
        return timezone.localtime(found) if found else None
    except (OverflowError, ValueError):
        return None


class LocalDateTimeField(forms.SplitDateTimeField):
    widget = LocalDateTimeWidget

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        day, clock = self.fields
        local = LocalTimeField(error_messages={"invalid": clock.error_messages["invalid"]}, required=clock.required)
        self.fields = (day, local)

    def compress(self, data_list: Any) -> datetime | None:
        """Return the instant in the current time zone."""
        if not data_list or data_list[0] in self.empty_values or data_list[1] in self.empty_values:
            return super().compress(data_list)
        clock: time = data_list[1]
        local, zone = datetime.combine(data_list[0], clock), timezone.get_current_timezone()
        try:
            instant = local if local.tzinfo else instant_of(local, zone)
            instant.astimezone(timezone.get_default_timezone())
        except (Repeated, Skipped) as error:
            raise ValidationError(words_of(error, zone, "%H:%M"), code="ambiguous_timezone") from None
        except (ValueError, OverflowError):
            raise ValidationError(self.error_messages["invalid_date"], code="invalid_date") from None
        return instant


# Of `formfield_overrides`.
OVERRIDES: dict[Any, Any] = {DateTimeField: {"form_class": LocalDateTimeField, "widget": LocalDateTimeWidget}}
