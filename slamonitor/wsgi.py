"""The web application. A wrong setting stops it before the first request."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "slamonitor.settings")
application = get_wsgi_application()

from slamonitor.checks import stop_on_problems  # noqa: E402  needs the applications loaded

stop_on_problems(needs_database=True)
