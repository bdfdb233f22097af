from django.apps import AppConfig
from django.utils.translation import pgettext_lazy


class AccountsConfig(AppConfig):
    name = "accounts"
    verbose_name = pgettext_lazy("part of the admin", "Accounts")

    def ready(self) -> None:
        from accounts.callers import identify
        from observability import idempotency

        # A key is only valid for the token that it was sent with.
        idempotency.register_scope(lambda request: f"token {identify(request).pk}")
