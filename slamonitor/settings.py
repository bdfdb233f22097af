"""All settings. Each is read from the environment and is safe if unset; `.env.example` documents them."""

import os
import sys
import zoneinfo
from datetime import time, timedelta
from pathlib import Path
from typing import Any

from django.templatetags.static import static
from django.urls import reverse

from observability import logs
from slamonitor.embedded.redis import celery_url
from slamonitor.embedded.state_directory import IS_INSTALLED, home, read_env
from slamonitor.environment import Environment, bucket_and_prefix, time_of_day

BASE_DIR = Path(__file__).resolve().parent.parent
STATE_DIR = Path(os.environ.get("SLAMONITOR_STATE_DIR") or home())
PROGRAM_NAME = "slamonitor" if IS_INSTALLED else "manage.py"  # for pages that everybody can read; else `runnable`
env = Environment(os.environ, fallback=read_env(STATE_DIR))

# --- Safety ---------------------------------------------------------------------------------------------------------
DEBUG = env.flag("DEBUG", False)
UNSET = "unset"  # an empty key would make Django raise; our system check gives the remedy, too
SECRET_KEY = env.text("SECRET_KEY", UNSET)
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.words("CSRF_TRUSTED_ORIGINS", [])
HTTPS = env.flag("HTTPS", False)  # a proxy serves TLS: cookies are secure, and X-Forwarded-Proto is trusted
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SECURE_SSL_REDIRECT = HTTPS
SECURE_REDIRECT_EXEMPT = ["^(health|livez|readyz|metrics)$"]  # requested directly, not through the proxy
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
# We don't know whether all subdomains serve TLS (W005), nor whether the owner wants HSTS preloading (W021).
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 12 * 3600  # seconds without a request; each request renews it (`accounts/middleware.py`)
LANGUAGE_COOKIE_AGE = 365 * 86_400
LANGUAGE_COOKIE_SECURE = HTTPS
LANGUAGE_COOKIE_HTTPONLY = True
LANGUAGE_COOKIE_SAMESITE = "Lax"
TRUSTED_PROXIES = env.number("TRUSTED_PROXIES", 0, 0, 10)  # number of proxies whose X-Forwarded-For is trusted
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"

# --- Apps and middleware --------------------------------------------------------------------------------------------
ROOT_URLCONF = "slamonitor.urls"
WSGI_APPLICATION = "slamonitor.wsgi.application"
# The page of a service is its ledger. `monitoring` must not know the URLs of other apps, so it uses `get_absolute_url`.
ABSOLUTE_URL_OVERRIDES = {"monitoring.service": lambda service: reverse("statuspage:ledger", args=[service.pk])}
INSTALLED_APPS = [
    "slamonitor",
    "database",
    "observability",
    "accounts",
    "monitoring",
    "incidents",
    "statuspage",
    "unfold.apps.BasicAppConfig",  # before the admin, because it overrides its templates
    "slamonitor.apps.AdminConfig",  # uses the site in `slamonitor/admin_site.py`
    "ninja",  # for the static files of the API's docs
    "axes",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]
MIDDLEWARE = [
    "observability.middleware.ObservabilityMiddleware",  # first, to give the errors of all others their form
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "accounts.middleware.without_odd_cookies",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "accounts.sign_in_rate.limit",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "accounts.middleware.OneTimePasswordMiddleware",
    "accounts.middleware.renew_session",
    "accounts.middleware.remember_browser",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "statuspage.middleware.content_security_policy",
    "slamonitor.admin_site.policy_and_time_zone",
    "accounts.middleware.rate_limit_headers",
    "axes.middleware.AxesMiddleware",  # responds to locked-out sign-ins
    "observability.idempotency.IdempotencyMiddleware",  # last, so that it sees only requests that the others accept
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

# --- Database -------------------------------------------------------------------------------------------------------
# DATABASE_URL, else DB_HOST and the other parts if DB_PASSWORD is set. `manage.py up` writes the URL of its embedded
# server into the state directory, where `env` finds it.
DATABASE = env.database("DATABASE_URL")
if DATABASE is None and env.get("DB_PASSWORD") is not None:
    DATABASE = {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": env.text("DB_HOST", "localhost"),
        "PORT": env.number("DB_PORT", 5432, 1, 65535),
        "NAME": env.text("DB_NAME", "sla_monitor"),
        "USER": env.text("DB_USER", "sla_monitor"),
        "PASSWORD": env.text("DB_PASSWORD", ""),
    }
DB_MAX_CONNECTIONS = env.number("DB_MAX_CONNECTIONS", 24, 1, 1000)  # per process
DB_POOL_TIMEOUT = env.number("DB_POOL_TIMEOUT", 20, 1, 600)  # seconds to wait for a connection of the pool
# A worker that only probes has no database; Django's dummy backend then raises ImproperlyConfigured for every query.
DATABASES: dict[str, dict[str, Any]] = {"default": {"ENGINE": "django.db.backends.dummy"}}
if DATABASE is not None:
    # With the defaults of the kernel, a server that disappears is noticed only after 15 minutes.
    CONNECTION_TIMEOUTS = {
        "connect_timeout": 5,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "tcp_user_timeout": 15_000,
    }
    # The name in pg_stat_activity; a restore looks for running engines by it.
    CONNECTION_NAME = {"application_name": f"slamonitor {Path(sys.argv[0]).name}"[:63]}
    POOL = {"min_size": 1, "max_size": DB_MAX_CONNECTIONS, "timeout": DB_POOL_TIMEOUT}
    DATABASES = {
        "default": {
            **DATABASE,
            "CONN_HEALTH_CHECKS": True,  # replace connections that a restarted server has closed
            "OPTIONS": {**CONNECTION_NAME, **CONNECTION_TIMEOUTS, **DATABASE.get("OPTIONS", {}), "pool": POOL},
        }
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Broker ---------------------------------------------------------------------------------------------------------
REDIS_URL = env.text("REDIS_URL", "")
CELERY_BROKER_URL = env.parsed(
    "BROKER_URL", str, "", "Set it to amqp://user:password@host:5672/, or leave it unset to use REDIS_URL."
) or env.parsed("REDIS_URL", celery_url, "", "Write redis://:password@host:6379/0, rediss://… or unix:///path?db=0.")

# --- Users and sign-in ----------------------------------------------------------------------------------------------
AUTH_USER_MODEL = "accounts.User"
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.BCryptSHA256PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]  # a successful sign-in resets the failures of both
AXES_FAILURE_LIMIT = 5  # per user name and address; the other limits are in `accounts/lockout.py`
AXES_HANDLER = "accounts.lockout.Handler"
AXES_USERNAME_CALLABLE = "accounts.lockout.name_of"
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_RESET_ON_SUCCESS = True
AXES_LOCKOUT_CALLABLE = "accounts.lockout.locked_out"
AXES_CLIENT_IP_CALLABLE = "accounts.lockout.neighbourhood_address"
AXES_DISABLE_ACCESS_LOG = True  # store only failures, and only while they count
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False

# --- Language and time ----------------------------------------------------------------------------------------------
LANGUAGES = [("en", "English"), ("ko", "한국어")]
LANGUAGE_CODE = env.text("LANGUAGE_CODE", "en")
if LANGUAGE_CODE not in dict(LANGUAGES):
    env.report("LANGUAGE_CODE", f"{LANGUAGE_CODE!r} is not supported", "Set it to en or ko.")
    LANGUAGE_CODE = "en"
LOCALE_PATHS = [BASE_DIR / "locale"]
FORMAT_MODULE_PATH = "slamonitor.formats"
USE_TZ = True
TIME_ZONE = "UTC"
PAGE_TIME_ZONE = env.parsed(  # the zone of calendar days, and therefore of all daily figures
    "PAGE_TIME_ZONE", zoneinfo.ZoneInfo, zoneinfo.ZoneInfo("UTC"), "Set it to a name such as Asia/Seoul."
)
SITE_NAME = env.text("SITE_NAME", "SLA Monitor")
PAGE_URL = env.text("PAGE_URL", "http://localhost:8000")  # as jobs and people reach it; `up` notes the one it serves

# --- Admin ----------------------------------------------------------------------------------------------------------
# Its colours are in `slamonitor/static/slamonitor/admin.css`.
UNFOLD = {
    "SITE_TITLE": lambda request: SITE_NAME,
    "SITE_HEADER": lambda request: SITE_NAME,
    "SITE_SUBHEADER": lambda request: str(PAGE_TIME_ZONE),  # all times in the admin are in this zone
    "SITE_SYMBOL": "monitor_heart",
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("statuspage/status-ok.svg")}
    ],
    "SHOW_LANGUAGES": True,
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_HISTORY": False,
    "BORDER_RADIUS": "8px",
    "STYLES": [lambda request: static("slamonitor/admin.css")],
    "DASHBOARD_CALLBACK": "slamonitor.dashboard.context",
    "SIDEBAR": {"navigation": "slamonitor.admin_site.navigation"},
}

# --- Static files ---------------------------------------------------------------------------------------------------
STATIC_URL = "static/"
# Serve files from the folders of the apps, without `collectstatic`. The page adds a hash of their content to their URLs
# (`statuspage/assets.py`).
WHITENOISE_USE_FINDERS = True

# --- Probing --------------------------------------------------------------------------------------------------------
REGION = env.text("REGION", "default")  # the region that a worker started here probes from
PROBE_ALLOW_PRIVATE = env.flag("PROBE_ALLOW_PRIVATE", True)
PROBE_DNS_SERVERS = env.words("PROBE_DNS_SERVERS", [])  # empty: those of /etc/resolv.conf
PROBE_MAX_IN_FLIGHT = env.number("PROBE_MAX_IN_FLIGHT", 10_000, 1, 1_000_000)
PROBE_FINISH_S = env.number("PROBE_FINISH_S", 20, 0, 600)  # seconds that a stopping worker has for its accepted checks
CANARY_URLS = env.words("CANARY_URLS", [])  # probed when checks fail, to tell whether our own network is down
# Keys that encrypt the secrets of services. The first one encrypts; all of them, and SECRET_KEY, decrypt. If there are
# none, SECRET_KEY encrypts.
SECRETS_KEYS = env.words("SECRETS_KEY", [])

# --- Incidents ------------------------------------------------------------------------------------------------------
INCIDENT_DRAFT_AFTER_SECONDS = env.number("INCIDENT_DRAFT_AFTER_SECONDS", 0, 0, 86_400)  # shorter outages get no draft
# A service that fails again this soon after its incident was resolved continues it.
INCIDENT_REOPEN_MINUTES = env.number("INCIDENT_REOPEN_MINUTES", 30, 0, 10_080)

# --- API ------------------------------------------------------------------------------------------------------------
SERVICE_NAME = "sla-monitor"  # our name in responses, logs and `/health`
# URLs for programs: their errors are JSON, and they have trace headers and idempotency keys.
API_PREFIXES, API_SUFFIXES = ("/api/", "/heartbeat/", "/ping/"), (".json",)
API_RATE_LIMIT = env.number("API_RATE_LIMIT", 600, 0, 1_000_000)  # requests per minute and token; 0: no limit

# --- Metrics for Prometheus -----------------------------------------------------------------------------------------
METRICS_DIR = Path(env.text("METRICS_DIR", str(STATE_DIR / "metrics")))  # shared by the processes of one machine
METRICS_TOKEN = env.text("METRICS_TOKEN", "")  # empty: only this machine and private networks may read /metrics

# --- Maintenance jobs -----------------------------------------------------------------------------------------------
# Days for which raw rows are kept, at least three so that late checks can arrive. Figures and runs are kept forever.
KEEP_CHECKS_DAYS = env.number("KEEP_CHECKS_DAYS", 90, 3, 3660)
KEEP_RESPONSE_TIMES_DAYS = env.number("KEEP_RESPONSE_TIMES_DAYS", 90, 3, 3660)
COMPRESS_AFTER_DAYS = env.number("COMPRESS_AFTER_DAYS", 7, 3, 3660)  # days after which raw rows are compressed
DATABASE_DISK = env.text("DATABASE_DISK", "")  # a path on PostgreSQL's disk; empty: ask the server if it is local
SLOW_QUERY_MS = env.number("SLOW_QUERY_MS", 1000, 1, 3_600_000)  # log our own queries that take longer

# --- Backups --------------------------------------------------------------------------------------------------------
PG_BIN = env.text("PG_BIN", "")  # the folder of pg_dump; empty: search for it
# By default, backups are stored in the checkout, or in the state directory if that is not `var/`, as in the demo. So an
# installation and a command in another shell agree on the folder.
HAS_OWN_STATE_DIR = IS_INSTALLED or (STATE_DIR.resolve() != home().resolve() and STATE_DIR.is_dir())
BACKUP_DIR = Path(env.text("BACKUP_DIR", str((STATE_DIR if HAS_OWN_STATE_DIR else BASE_DIR) / "backups"))).absolute()
DEFAULT_BACKUP_AT: time | None = time(2)
# None: no nightly backup.
BACKUP_AT = env.parsed("BACKUP_AT", time_of_day, DEFAULT_BACKUP_AT, "Set it to a time such as 02:00, or to off.")
BACKUP_KEEP_DAYS = env.number("BACKUP_KEEP_DAYS", 30, 1, 3650)
BACKUP_AGE_RECIPIENTS = env.words("BACKUP_AGE_RECIPIENTS", [])  # public keys of age; empty: backups are not encrypted
BACKUP_AGE_IDENTITY = env.text("BACKUP_AGE_IDENTITY", "")  # the file with the private key
BACKUP_BUCKET = env.parsed("BACKUP_BUCKET", bucket_and_prefix, None, "Set it to s3://bucket or s3://bucket/folder.")
BACKUP_BUCKET_ENDPOINT = env.text("BACKUP_BUCKET_ENDPOINT", "")  # empty: Amazon's
BACKUP_BUCKET_REGION = env.text("BACKUP_BUCKET_REGION", "us-east-1")
BACKUP_BUCKET_KEY_ID = env.text("BACKUP_BUCKET_KEY_ID", "")
BACKUP_BUCKET_SECRET = env.text("BACKUP_BUCKET_SECRET", "")

# --- Logs -----------------------------------------------------------------------------------------------------------
LOG_LEVEL = env.text("LOG_LEVEL", "INFO").upper()
if LOG_LEVEL not in ("DEBUG", "INFO", "WARNING", "ERROR"):
    env.report("LOG_LEVEL", f"{LOG_LEVEL!r} is not a level", "Write DEBUG, INFO, WARNING or ERROR.")
    LOG_LEVEL = "INFO"
LOG_FORMAT = env.text("LOG_FORMAT", logs.AUTO).lower()
if LOG_FORMAT not in logs.FORMS:
    env.report("LOG_FORMAT", f"{LOG_FORMAT!r} is not a format", "Set it to json, line, or auto (line on a terminal).")
    LOG_FORMAT = logs.AUTO
# At INFO these repeat lines of ours, or log something every second.
QUIET = (
    "httpx",
    "axes",
    "celery.worker.strategy",
    "celery.worker.request",
    "celery.app.trace",
    "celery.beat",
    "celery.worker.consumer",
)
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"chosen": {"()": "observability.logs.formatter", "form": LOG_FORMAT, "service": SERVICE_NAME}},
    "handlers": {"sink": {"class": "observability.log_sink.LogSink", "formatter": "chosen"}},
    "root": {"handlers": ["sink"], "level": LOG_LEVEL},
    "loggers": {
        **{name: {"level": "WARNING"} for name in QUIET},
        "django.request": {"level": "ERROR"},  # we log each request with its status
    },
}

SETTINGS_PROBLEMS = env.problems
