"""Which addresses are for programs, and what they answer to an exception."""

from django.conf import settings
from django.http import HttpRequest, JsonResponse
from django.utils.log import log_response

from observability import errors


def is_api(request: HttpRequest) -> bool:
    """Tell whether an address belongs to the API, where programs and not people read the answers."""
    path = request.path_info
    return path.startswith(settings.API_PREFIXES) or path.endswith(settings.API_SUFFIXES)


def answer_exception(request: HttpRequest, exception: Exception) -> JsonResponse:
    """Answer with what an exception means, and log it with its traceback when it is our fault."""
    response = errors.respond(request, exception)
    if response.status_code >= 500:
        words = "%s: %s", type(exception).__name__, request.path
        log_response(*words, response=response, request=request, exception=exception)
    return response
