"""Keep at least one active admin."""

from accounts.models import User
from accounts.permissions import Role
from database.locks import lock_in_transaction


def is_last_admin(user: User) -> bool:
    """Return whether this is the only active admin. Must run in the transaction that changes the user.

    Waits for concurrent changes of users: two admins who demote each other at the same moment must not both succeed.
    """
    lock_in_transaction("admins")
    admins = User.objects.filter(role=Role.ADMIN, is_active=True)
    return admins.filter(pk=user.pk).exists() and not admins.exclude(pk=user.pk).exists()
