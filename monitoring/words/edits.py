"""The texts in the history of a service for changes through the API: stored in English, translated when shown."""

from collections.abc import Mapping
from types import MappingProxyType

from django.utils.translation import gettext_noop as _

THROUGH_API: Mapping[str, str] = MappingProxyType(
    {  # by the event that is logged
        "service created": _("Created through the API."),
        "service changed": _("Changed through the API."),
        "service archived": _("Archived through the API."),
        "service restored": _("Restored through the API."),
        "service paused": _("Paused through the API."),
        "service resumed": _("Resumed through the API."),
    }
)
