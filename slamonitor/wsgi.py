"""The web application. A wrong setting stops it before the first request."""

import os
from typing import Any

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "slamonitor.settings")
django_application: Any = get_wsgi_application()

# These need the applications loaded.
from slamonitor.checks import stop_on_problems  # noqa: E402
from statuspage.front import front_door  # noqa: E402

stop_on_problems(needs_database=True)
application = front_door(django_application)
