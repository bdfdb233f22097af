"""The OpenAPI file of the API: ninja's description of the routes, completed with common parts."""

import json
from collections.abc import Iterator
from typing import Any

from ninja import NinjaAPI
from ninja.operation import Operation

from accounts.bearer import Bearer
from accounts.permissions import Role, may, scope_needed
from observability.errors import STANDARD

ERROR = {
    "type": "object",
    "title": "Error",
    "description": "Format of all errors.",
    "required": ["success", "error"],
    "properties": {
        "success": {"const": False},
        "error": {
            "type": "object",
            "required": ["code", "message", "details", "trace_id", "timestamp"],
            "properties": {
                "code": {"type": "string", "description": "For programs.", "examples": ["VALIDATION_FAILED"]},
                "message": {"type": "string", "description": "For people."},
                "details": {
                    "type": "object",
                    "description": "Details of the error. For 422: `problems`, each with `field` and `message`.",
                },
                "trace_id": {"type": ["string", "null"], "description": "Id of the request in our logs."},
                "timestamp": {"type": "string", "format": "date-time"},
            },
        },
    },
}
SCHEMAS = "#/components/schemas/"
SERVICE_ID = {"type": "string", "pattern": "^[-a-zA-Z0-9_]+$", "maxLength": 100, "examples": ["payments"]}
WRITES = ("post", "put", "patch")
CREATING = ("write_post_mortem",)  # a PUT that needs no tag if there is nothing yet
UNTAGGED = ("explain_finding",)  # there is no response with a tag to send


def describe(api: NinjaAPI) -> dict[str, Any]:
    """Return the document, with the permissions and errors of each operation."""
    document: dict[str, Any] = api.get_openapi_schema(path_prefix="api/v1/")
    operations = {operation.operation_id: operation for operation in _operations(api)}
    document["components"]["schemas"]["Error"] = ERROR
    document["components"]["responses"] = {str(status): _error(status) for status in STANDARD}
    for methods in document["paths"].values():
        for method, described in methods.items():
            _complete(method, described, operations[described["operationId"]])
    _forget_unused(document)
    return document


def _forget_unused(document: dict[str, Any]) -> None:
    """Remove schemas that nothing refers to: ninja copies the parameters of lists into the operations."""
    schemas = document["components"]["schemas"]
    while unused := [name for name in schemas if f'"{SCHEMAS}{name}"' not in json.dumps(document)]:
        for name in unused:
            del schemas[name]


def _operations(api: NinjaAPI) -> Iterator[Operation]:
    for bound in api._get_bound_routers():
        for view in bound.path_operations.values():
            yield from view.operations


def _error(status: int) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": f"{SCHEMAS}Error"}}}
    return {"description": STANDARD[status][1], "content": content}


def _complete(method: str, described: dict[str, Any], operation: Operation) -> None:
    bearer = next(each for each in operation.auth_callbacks if isinstance(each, Bearer))
    described["description"] = f"{described.get('description', '')}\n\n{_needs(bearer)}".strip()
    statuses = {401, 429, 503}
    if bearer.permission is not None:
        statuses.add(403)
    for parameter in described["parameters"]:
        if parameter["name"] == "service_id":
            parameter |= {"schema": SERVICE_ID, "description": "The id of a service."}
    names = {parameter["in"] for parameter in described["parameters"]}
    if "path" in names:
        statuses |= {404}
    if "query" in names:
        statuses |= {422}
    if method in (*WRITES, "delete"):
        statuses |= {400, 409}
    if "requestBody" in described:
        statuses |= {413, 415, 422}
    if "path" in names and method in (*WRITES, "delete") and operation.operation_id not in UNTAGGED:
        statuses |= {412}
        described["parameters"].append(
            _if_match(is_required=method == "put" and operation.operation_id not in CREATING)
        )
    if method == "put":
        statuses |= {428}
    responses = described["responses"]
    for status in sorted(statuses):
        responses[status] = {"$ref": f"#/components/responses/{status}"}


def _needs(bearer: Bearer) -> str:
    if bearer.permission is None:
        return "Requires any valid token."
    roles = [role for role in Role.values if may(role, bearer.permission)]
    who = "any user" if len(roles) == len(Role) else f"a user with the role {' or '.join(roles)}"
    return f"Requires a token with the scope `{scope_needed(bearer.permission)}` or more, of {who}."


def _if_match(*, is_required: bool) -> dict[str, Any]:
    return {
        "in": "header",
        "name": "If-Match",
        "required": is_required,
        "description": "The `ETag` of the version to change, or `*` for any version.",
        "schema": {"type": "string"},
        "example": "*",
    }
