"""Recognise the URLs of the API, and answer them with errors in its form."""

from django.conf import settings
from django.http import HttpRequest, JsonResponse
from django.utils.log import log_response

from observability import errors


def is_api(request: HttpRequest) -> bool:
    """Return whether a URL belongs to the API, whose readers are programs."""
    path = request.path_info
    return path.startswith(settings.API_PREFIXES) or path.endswith(settings.API_SUFFIXES)


def answer_exception(request: HttpRequest, exception: Exception) -> JsonResponse:
    """Answer with the error for an exception, and log its traceback if it is a bug of ours."""
    response = errors.respond(request, exception)
    if response.status_code >= 500:
        words = "%s: %s", type(exception).__name__, request.path
        log_response(*words, response=response, request=request, exception=exception)
    return response
