"""Correct the text of a published update: earlier wordings stay, with their authors and times."""

from collections.abc import Mapping
from datetime import datetime

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from accounts.models import User
from incidents import markdown
from incidents.models import IncidentUpdate, UpdateWording


def correct(
    update_id: int, message: str, translations: Mapping[str, str], *, who: User | None, now: datetime
) -> IncidentUpdate:
    """Replace the text of an update; its status and time stay. The same text again changes nothing.

    Must run in a transaction. Raises IncidentUpdate.DoesNotExist, or ValidationError if the update has not taken effect
    yet, is empty, or cannot be shown.
    """
    update = IncidentUpdate.objects.select_for_update().get(pk=update_id)
    if update.published_at is None:
        raise ValidationError(_("This update is not published yet. Change it instead of correcting it."), "waiting")
    if not message.strip():
        raise ValidationError(_("Enter the corrected text. A published update cannot become empty."), "empty")
    for text in (message, *translations.values()):
        markdown.validate(text)
    if (update.message, update.message_translations) == (message, dict(translations)):
        return update
    UpdateWording.objects.create(
        update_corrected=update,
        message=update.message,
        message_translations=update.message_translations,
        author=update.edited_by or update.created_by,
        written_at=update.edited_at or update.published_at,
        replaced_at=now,
    )
    update.message, update.message_translations = message, dict(translations)
    update.edited_by, update.edited_at = who, now
    update.save(update_fields=["message", "message_translations", "edited_by", "edited_at"])
    return update
