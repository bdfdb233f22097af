"""`/api/v1/update_templates`: texts to begin an update with."""

from typing import Annotated, Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from ninja import Router
from ninja.responses import Status as Answer
from pydantic import AfterValidator, BaseModel, Field

from accounts.bearer import Bearer
from accounts.permissions import CHANGE_INCIDENTS, VIEW_INCIDENTS
from incidents import update_templates
from incidents.api import changes
from incidents.api.schemas import TRANSLATIONS, Message, known_languages
from incidents.models import IncidentStatus, UpdateTemplate
from monitoring.api import preconditions
from monitoring.api.parameters import Paged, StrictQuery, cursor_of, key_of, link_next, number_of
from observability.errors import ApiError

router = Router(tags=["Incidents"])


def _known_variables(text: str) -> str:
    try:
        update_templates.validate(text)
    except ValidationError as error:
        raise ValueError(" ".join(error.messages)) from error
    return text


TemplateText = Annotated[Message, AfterValidator(_known_variables)]
VARIABLES = ", ".join(f"{{{name}}}" for name in update_templates.VARIABLES)


class TemplateWrite(BaseModel, extra="forbid"):
    name: Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00]*\S[^\x00]*$")]
    status: IncidentStatus | None = Field(None, description="The status that the update sets; null: it keeps its own.")
    message: Annotated[TemplateText, Field(min_length=1, description=f"Markdown with the variables {VARIABLES}.")]
    message_translations: Annotated[
        dict[str, TemplateText], AfterValidator(known_languages), Field(description=TRANSLATIONS)
    ] = {}


class TemplateOut(BaseModel):
    id: int
    name: str
    status: IncidentStatus | None
    message: str
    message_translations: dict[str, str]

    @classmethod
    def of(cls, template: UpdateTemplate) -> "TemplateOut":
        return cls(
            id=template.pk,
            name=template.name,
            status=IncidentStatus(template.status) if template.status else None,
            message=template.message,
            message_translations=template.message_translations,
        )


class TemplatePage(BaseModel):
    items: list[TemplateOut]
    next_cursor: str | None


class Filled(BaseModel):
    """A template with the values of an incident."""

    status: IncidentStatus
    message: str
    message_translations: dict[str, str]


@router.get(
    "/update_templates",
    response=TemplatePage,
    auth=Bearer(VIEW_INCIDENTS),
    summary="List update templates",
    operation_id="list_update_templates",
)
def list_update_templates(
    request: HttpRequest, response: HttpResponse, filters: Annotated[Paged, StrictQuery(...)]
) -> TemplatePage:
    """In order of their ids."""
    rows = UpdateTemplate.objects.order_by("pk")
    if filters.cursor:
        rows = rows.filter(pk__gt=number_of(key_of(filters.cursor, 1)[0]))
    found = list(rows[: filters.limit + 1])
    shown, has_more = found[: filters.limit], len(found) > filters.limit
    cursor = cursor_of(shown[-1].pk) if has_more else None
    return TemplatePage(
        items=[TemplateOut.of(each) for each in shown], next_cursor=link_next(request, response, cursor)
    )


@router.post(
    "/update_templates",
    response={201: TemplateOut},
    auth=Bearer(CHANGE_INCIDENTS),
    summary="Create an update template",
    operation_id="create_update_template",
)
def create_update_template(request: HttpRequest, response: HttpResponse, body: TemplateWrite) -> Any:
    """409 if the name is taken."""
    template = _saved(UpdateTemplate(created_by=changes.who(request)), body)
    response.headers["Location"] = request.build_absolute_uri(f"{request.path}/{template.pk}")
    return Answer(201, _tagged(response, template))


@router.get(
    "/update_templates/{int:template_id}",
    response=TemplateOut,
    auth=Bearer(VIEW_INCIDENTS),
    summary="Read an update template",
    operation_id="read_update_template",
)
def read_update_template(request: HttpRequest, response: HttpResponse, template_id: int) -> TemplateOut:
    """With its variables as they are, and an `ETag` for `If-Match`."""
    return _tagged(response, _find(template_id))


@router.put(
    "/update_templates/{int:template_id}",
    response=TemplateOut,
    auth=Bearer(CHANGE_INCIDENTS),
    summary="Replace an update template",
    operation_id="replace_update_template",
)
def replace_update_template(
    request: HttpRequest, response: HttpResponse, template_id: int, body: TemplateWrite
) -> TemplateOut:
    """Requires `If-Match`. Updates that were written with it stay as they are."""
    with transaction.atomic():
        return _tagged(response, _saved(_locked(request, template_id, is_required=True), body))


@router.delete(
    "/update_templates/{int:template_id}",
    response={204: None},
    auth=Bearer(CHANGE_INCIDENTS),
    summary="Delete an update template",
    operation_id="delete_update_template",
)
def delete_update_template(request: HttpRequest, template_id: int) -> Any:
    """Updates that were written with it stay as they are."""
    with transaction.atomic():
        _locked(request, template_id, is_required=False).delete()
    return Answer(204, None)


@router.get(
    "/incidents/{int:incident_id}/filled_template/{int:template_id}",
    response=Filled,
    auth=Bearer(VIEW_INCIDENTS),
    summary="Fill in a template for an incident",
    operation_id="fill_update_template",
)
def fill_update_template(request: HttpRequest, incident_id: int, template_id: int) -> Filled:
    """The text of an update, in each language; nothing is stored."""
    template, incident = _find(template_id), changes.find(incident_id)
    message, translations = update_templates.fill_in_each_language(
        template, incident, timezone.now(), settings.PAGE_TIME_ZONE
    )
    status = IncidentStatus(template.status or incident.status)
    return Filled(status=status, message=message, message_translations=translations)


def _tagged(response: HttpResponse, template: UpdateTemplate) -> TemplateOut:
    shown = TemplateOut.of(template)
    response.headers["ETag"] = preconditions.etag_of(shown)
    return shown


def _saved(template: UpdateTemplate, body: TemplateWrite) -> UpdateTemplate:
    template.name, template.status = body.name, body.status or ""
    template.message, template.message_translations = body.message, body.message_translations
    try:
        with transaction.atomic():
            template.save()
    except IntegrityError as error:
        words = _("There is already a template named %(name)s. Choose another name.") % {"name": body.name}
        raise ApiError("TEMPLATE_EXISTS", words, status=409) from error
    return template


def _locked(request: HttpRequest, template_id: int, *, is_required: bool) -> UpdateTemplate:
    template = _find(template_id, UpdateTemplate.objects.select_for_update())
    preconditions.demand(request, preconditions.etag_of(TemplateOut.of(template)), is_required=is_required)
    return template


def _find(template_id: int, rows: QuerySet[UpdateTemplate] | None = None) -> UpdateTemplate:
    rows = UpdateTemplate.objects.all() if rows is None else rows
    template = rows.filter(pk=template_id).first() if template_id <= changes.LARGEST_ID else None
    if template is None:
        raise ApiError("TEMPLATE_NOT_FOUND", _("There is no template %(id)s.") % {"id": template_id}, status=404)
    return template
