"""The forms in which people handle their own account."""

from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from unfold.forms import AdminOwnPasswordChangeForm

from accounts.models import User


class OwnPasswordForm(AdminOwnPasswordChangeForm):
    """Replace one's password; with that a one-time password has done its service."""

    user: User

    def clean_new_password1(self) -> str:
        password = str(self.cleaned_data["new_password1"])
        if password == self.cleaned_data.get("old_password"):
            raise ValidationError(_("This is the password you have now. Choose another one."))
        return password

    def save(self, commit: bool = True) -> User:
        self.user.must_change_password = False
        user: User = super().save(commit=commit)
        return user

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.user.must_change_password:
            self.fields["old_password"].label = _("One-time password")
