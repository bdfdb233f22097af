"""The forms for accounts and passwords."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from unfold.forms import AdminOwnPasswordChangeForm

from accounts.last_admin import is_last_admin
from accounts.models import User
from accounts.permissions import Role


class OwnPasswordForm(AdminOwnPasswordChangeForm):
    """Replace one's own password, which also replaces a one-time password."""

    user: User

    def clean_new_password1(self) -> str:
        password = str(self.cleaned_data["new_password1"])
        if password == self.cleaned_data.get("old_password"):
            raise ValidationError(_("This is your current password. Choose another one."))
        return password

    def save(self, commit: bool = True) -> User:
        self.user.must_change_password = False
        user: User = super().save(commit=commit)
        return user

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.user.must_change_password:
            self.fields["old_password"].label = _("One-time password")


class NewUserForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic when running
    """A new user, who gets a one-time password."""

    class Meta:
        model = User
        fields = ("username", "email", "role")


class UserForm(forms.ModelForm):  # type: ignore[type-arg]
    """A user's account. The last admin can't be demoted or deactivated."""

    class Meta:
        model = User
        fields = ("username", "email", "role", "is_active")

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        stays_admin = values.get("role") == Role.ADMIN and values.get("is_active")
        if not stays_admin and is_last_admin(self.instance):
            raise ValidationError(
                _("%(name)s is the only active admin. Make somebody else an admin first."),
                params={"name": self.instance.username},
            )
        return values
