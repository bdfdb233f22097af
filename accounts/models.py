"""Users with one of three roles, and their API tokens."""

from collections.abc import Iterable
from datetime import datetime
from typing import ClassVar

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.core.exceptions import ValidationError
from django.db import models
from django.utils.crypto import get_random_string
from django.utils.translation import gettext_lazy as _

from accounts import permissions
from accounts.permissions import Role, Scope

__all__ = ["ApiToken", "Role", "Scope", "User"]


class UserManager(BaseUserManager["User"]):
    def create_user(self, username: str, email: str, password: str | None = None, role: str = Role.VIEWER) -> "User":
        user = self.model(username=username, email=self.normalize_email(email), role=role)
        user.set_password(password)
        user.full_clean()
        user.save(using=self._db)
        return user

    def create_superuser(self, username: str, email: str, password: str | None = None) -> "User":
        return self.create_user(username, email, password, role=Role.ADMIN)

    def create_with_one_time_password(self, username: str, email: str, role: str) -> tuple["User", str]:
        """Create a user with a one-time password, to be replaced after the first sign-in, and return that password."""
        user = self.create_user(username, email, role=role)
        return user, user.give_one_time_password()


class User(AbstractBaseUser):
    username = models.CharField(_("user name"), max_length=150, unique=True)
    email = models.EmailField(_("e-mail"), unique=True)
    password = models.CharField(_("password"), max_length=128, db_column="password_hash")
    role = models.CharField(_("role"), max_length=16, choices=Role.choices, default=Role.VIEWER)
    is_active = models.BooleanField(_("active"), default=True)
    must_change_password = models.BooleanField(default=False)  # set with a one-time password, until it is replaced
    last_login = models.DateTimeField(_("last sign-in"), null=True, blank=True, db_column="last_login_at")
    metadata = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "username"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["email"]

    class Meta:
        db_table = "users"
        verbose_name = _("user")
        verbose_name_plural = _("users")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(condition=models.Q(role__in=Role.values), name="users_role_known"),
        ]

    def __str__(self) -> str:
        return self.username

    def give_one_time_password(self) -> str:
        """Set and return a password that is only good for choosing another. Ends all sessions of the user."""
        # About 79 bits, in groups and without look-alikes, because somebody may have to type it from a screen.
        groups = [get_random_string(4, "abcdefghjkmnpqrstuvwxyz23456789") for _group in range(4)]
        password = "-".join(groups)
        self.set_password(password)
        self.must_change_password = True
        self.save(update_fields=["password", "must_change_password", "updated_at"])
        return password

    # The questions of Django's admin; the role answers all of them.

    @property
    def is_staff(self) -> bool:
        """Every user may open the admin, which shows what their role permits."""
        return self.is_active

    @property
    def is_superuser(self) -> bool:
        return self.is_active and self.role == Role.ADMIN

    def has_perm(self, permission: str, obj: object = None) -> bool:
        return self.is_active and permissions.may(self.role, permission)

    def has_perms(self, wanted: Iterable[str], obj: object = None) -> bool:
        return all(self.has_perm(permission, obj) for permission in wanted)

    def has_module_perms(self, app_label: str) -> bool:
        return self.is_active and permissions.may_anything_in(self.role, app_label)


class ApiToken(models.Model):
    """A key for a program that acts for a user, within the user's role and its own scope."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="api_tokens", verbose_name=_("user")
    )
    name = models.CharField(_("purpose"), max_length=100)
    scope = models.CharField(_("scope"), max_length=16, choices=Scope.choices, default=Scope.READ)
    token_hash = models.BinaryField(max_length=32, unique=True, editable=False)  # SHA-256; the token itself isn't kept
    hint = models.CharField(max_length=4, editable=False)  # its last characters, to tell tokens apart
    created_at = models.DateTimeField(_("created"))
    expires_at = models.DateTimeField(_("expires"))
    last_used_at = models.DateTimeField(_("last used"), null=True, blank=True)  # to the minute
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True)
    revoked_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")

    class Meta:
        db_table = "api_tokens"
        verbose_name = _("API token")
        verbose_name_plural = _("API tokens")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(condition=models.Q(scope__in=Scope.values), name="api_tokens_scope_known"),
            models.CheckConstraint(
                condition=models.Q(expires_at__gt=models.F("created_at")), name="api_tokens_expire_later"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} (…{self.hint})"

    def clean(self) -> None:
        """Refuse a scope that exceeds the user's role: it would promise more than it permits."""
        useful = permissions.SCOPES_OF.get(self.user.role, ())
        if self.scope not in useful:
            known = ", ".join(useful)
            message = _("%(name)s has the role %(role)s, for which only these scopes are useful: %(known)s.")
            params = {"name": self.user.username, "role": Role(self.user.role).label, "known": known}
            raise ValidationError({"scope": ValidationError(message, params=params)})

    def may(self, permission: str) -> bool:
        """Return whether both the user's role and the scope permit this."""
        return self.user.has_perm(permission) and permissions.is_within(self.scope, permission)

    def is_valid(self, now: datetime) -> bool:
        return self.revoked_at is None and now < self.expires_at and self.user.is_active
