"""The admin pages of API tokens. A new token is shown once, in the response; it can be revoked at any time."""

from functools import partial
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.cache import add_never_cache_headers
from django.utils.decorators import method_decorator
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminSelectWidget

from accounts import tokens
from accounts.models import ApiToken, User
from accounts.permissions import CHANGE_USERS, SCOPES_OF, Scope

LIFETIMES = (
    (7, gettext_lazy("one week")),
    (30, gettext_lazy("30 days")),
    (tokens.USUAL_DAYS, gettext_lazy("90 days")),
    (365, gettext_lazy("one year")),
)
SCOPE_HELP = {
    Scope.READ: gettext_lazy("Read: view services, checks and figures."),
    Scope.WRITE: gettext_lazy("Write: also do daily work, such as pausing services and checking them immediately."),
    Scope.ADMIN: gettext_lazy("Admin: also create and change services."),
}


class NewTokenForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic when running
    """The form of a new token, which belongs to the signed-in user."""

    days = forms.TypedChoiceField(
        label=gettext_lazy("Valid for"),
        choices=LIFETIMES,
        coerce=int,
        initial=tokens.USUAL_DAYS,
        widget=UnfoldAdminSelectWidget,
        help_text=gettext_lazy("After that the token is refused and you need a new one."),
    )

    class Meta:
        model = ApiToken
        fields = ("name", "scope")

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.instance.user = user
        useful = SCOPES_OF[user.role]
        self.fields["scope"].choices = [(scope.value, scope.label) for scope in useful]  # type: ignore[attr-defined]
        self.fields["scope"].help_text = " ".join(str(SCOPE_HELP[scope]) for scope in useful)
        self.fields["name"].help_text = _(
            "For example “deploy script on build-3”, so that you know later which token to revoke."
        )


class ApiTokenAdmin(ModelAdmin):
    list_display = ("named", "user", "scope", "state", "expires_at", "last_used_at")
    list_display_links = ("named",)
    list_filter = ("scope",)
    list_select_related = ("user",)
    search_fields = ("name", "user__username")
    search_help_text = gettext_lazy("Purpose or user name")
    ordering = ("-created_at",)
    actions = None
    shown = ("named", "user", "scope", "state", "created_at", "expires_at", "last_used_at")
    change_form_template = "admin/accounts/apitoken/change_form.html"

    # --- Permissions ------------------------------------------------------------------------------------------------

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiToken]:
        """Return the user's own tokens; all of them for users who may change users."""
        found: QuerySet[ApiToken] = super().get_queryset(request)
        assert isinstance(request.user, User)  # the admin requires a sign-in
        return found if request.user.has_perm(CHANGE_USERS) else found.filter(user=request.user)

    def has_change_permission(self, request: HttpRequest, obj: ApiToken | None = None) -> bool:
        return False  # revoke it and create another one

    def has_delete_permission(self, request: HttpRequest, obj: ApiToken | None = None) -> bool:
        return False  # a revoked token still shows whose it was

    # --- Display ----------------------------------------------------------------------------------------------------

    def get_fieldsets(self, request: HttpRequest, obj: ApiToken | None = None) -> Any:
        return ((None, {"fields": self.shown if obj else ("name", "scope", "days")}),)

    def get_readonly_fields(self, request: HttpRequest, obj: ApiToken | None = None) -> tuple[str, ...]:
        return self.shown if obj else ()

    def get_form(self, request: HttpRequest, obj: ApiToken | None = None, **kwargs: Any) -> Any:
        if obj is not None:
            return super().get_form(request, obj, **kwargs)
        form = super().get_form(request, obj, **{**kwargs, "form": NewTokenForm, "fields": ("name", "scope")})
        return partial(form, user=request.user)  # the admin only calls it

    @admin.display(description=gettext_lazy("Token"), ordering="name")
    def named(self, token: ApiToken) -> str:
        return str(token)

    @admin.display(description=gettext_lazy("State"))
    def state(self, token: ApiToken) -> str:
        if token.revoked_at is not None:
            return _("revoked on %(day)s") % {"day": date_format(timezone.localtime(token.revoked_at))}
        if token.is_valid(timezone.now()):
            return _("valid")
        return _("expired") if token.user.is_active else _("account deactivated")

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> Any:
        token = self.get_object(request, object_id)
        can_end = token is not None and token.revoked_at is None and timezone.now() < token.expires_at
        context = {"can_be_revoked": can_end, **(extra_context or {})}
        return super().change_view(request, object_id, form_url, context)

    # --- Creating and revoking --------------------------------------------------------------------------------------

    def save_model(self, request: HttpRequest, obj: ApiToken, form: Any, change: bool) -> None:
        made, text = tokens.make(obj.user, obj.name, obj.scope, days=form.cleaned_data["days"], now=timezone.now())
        obj.__dict__.update(made.__dict__)
        obj.shown_once = text  # type: ignore[attr-defined]  # for the answer, nowhere else

    def response_add(self, request: HttpRequest, obj: ApiToken, post_url_continue: str | None = None) -> HttpResponse:
        """Show the token in the response itself; a page that can be opened again would require storing it."""
        context = {**self.admin_site.each_context(request), "token": obj, "text": obj.shown_once}  # type: ignore[attr-defined]
        context |= {"title": _("API token"), "address": request.build_absolute_uri("/api/v1/token")}
        answer = TemplateResponse(request, "admin/accounts/apitoken/shown_once.html", context)
        add_never_cache_headers(answer)
        return answer

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None) -> Any:
        one_way_on = {"show_save_and_add_another": False, "show_save_and_continue": False}
        return super().add_view(request, form_url, {**one_way_on, **(extra_context or {})})

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.revoke_view)
        return [path("<int:token_id>/revoke/", view, name="revoke_token"), *super().get_urls()]

    @method_decorator(require_POST)
    def revoke_view(self, request: HttpRequest, token_id: int) -> HttpResponse:
        """Revoke a token; the next request with it is refused."""
        token = self.get_queryset(request).filter(pk=token_id).first()
        if token is None:
            raise Http404(str(token_id))
        assert isinstance(request.user, User)
        if tokens.revoke(token_id, who=request.user, now=timezone.now()):
            self.log_change(request, token, "revoked")
            messages.success(
                request, _("%(token)s was revoked. Requests with it are refused from now on.") % {"token": token}
            )
        return HttpResponseRedirect(reverse("admin:accounts_apitoken_changelist"))
