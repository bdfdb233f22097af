"""The admin pages of users: new users get a one-time password that is shown once. Also lists everybody's API tokens."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.cache import add_never_cache_headers
from django.utils.decorators import method_decorator
from django.utils.formats import localize
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST
from unfold.admin import ModelAdmin

from accounts.forms import NewUserForm, UserForm
from accounts.models import ApiToken, Role, User
from accounts.token_admin import ApiTokenAdmin


@admin.register(User)
class UserAdmin(ModelAdmin):
    form = UserForm
    add_form = NewUserForm
    list_display = ("username", "email", "role", "is_active", "last_login", "waits")
    list_filter = ("role", "is_active")
    search_fields = ("username", "email")
    search_help_text = gettext_lazy("Name or e-mail")
    ordering = ("username",)
    actions = None
    fieldsets = ((None, {"fields": ("username", "email", "role", "is_active", "last_login", "since")}),)
    add_fieldsets = ((None, {"fields": ("username", "email", "role")}),)
    readonly_fields = ("last_login", "since")
    change_form_template = "admin/accounts/user/change_form.html"

    def get_form(self, request: HttpRequest, obj: User | None = None, **kwargs: Any) -> Any:
        return super().get_form(request, obj, form=UserForm if obj else NewUserForm, **kwargs)

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field and db_field.name == "role":
            field.help_text = _(
                "A viewer reads dashboards, checks and incidents; a reporter also files and updates incidents; an admin"
                " does everything."
            )
        if field and db_field.name == "is_active":
            field.help_text = _(
                "Deactivate users instead of deleting them: they can no longer sign in, and their entries keep"
                " their author."
            )
        return field

    @admin.display(description=gettext_lazy("One-time password"))
    def waits(self, user: User) -> str:
        return _("not used yet") if user.must_change_password else "–"

    @admin.display(description=gettext_lazy("Created"))
    def since(self, user: User) -> str:
        return localize(timezone.localtime(user.created_at))

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        if change:
            super().save_model(request, obj, form, change)
        else:
            obj.set_unusable_password()
            obj.save()
            obj.shown_once = obj.give_one_time_password()  # type: ignore[attr-defined]  # for the answer, nowhere else

    def response_add(self, request: HttpRequest, obj: User, post_url_continue: str | None = None) -> HttpResponse:
        return self._show_once(request, obj, obj.shown_once)  # type: ignore[attr-defined]

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return False  # deactivate instead: incidents and restatements keep their authors

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.new_password_view)
        return [path("<int:user_id>/one-time-password/", view, name="one_time_password"), *super().get_urls()]

    @method_decorator(require_POST)
    def new_password_view(self, request: HttpRequest, user_id: int) -> HttpResponse:
        """Give a user who forgot their password a new one-time password."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        with transaction.atomic():
            user = User.objects.select_for_update().filter(pk=user_id).first()
            if user is None:
                raise Http404(str(user_id))
            password = user.give_one_time_password()
        self.log_change(request, user, "one-time password")
        return self._show_once(request, user, password)

    def _show_once(self, request: HttpRequest, user: User, password: str) -> HttpResponse:
        """Show the password in the response itself; a page that can be opened again would require storing it."""
        context = {**self.admin_site.each_context(request), "person": user, "password": password}
        context |= {"title": _("One-time password"), "role": Role(user.role).label}
        answer = TemplateResponse(request, "admin/accounts/user/one_time_password.html", context)
        add_never_cache_headers(answer)
        return answer


admin.site.register(ApiToken, ApiTokenAdmin)
