"""All settings, each from the environment and safe when unset; `.env.example` explains every one."""

import os
import sys
import zoneinfo
from datetime import time, timedelta
from pathlib import Path
from typing import Any

from django.templatetags.static import static

from observability import logs
from slamonitor.embedded.redis import celery_url
from slamonitor.embedded.state_directory import read_env
from slamonitor.environment import Environment, bucket_and_prefix, time_of_day

BASE_DIR = Path(__file__).resolve().parent.parent
STATE_DIR = Path(os.environ.get("SLAMONITOR_STATE_DIR") or BASE_DIR / "var")
env = Environment(os.environ, fallback=read_env(STATE_DIR))

# --- Safety ---------------------------------------------------------------------------------------------------------
DEBUG = env.flag("DEBUG", False)
UNSET = "unset"  # Django stops at an empty key with words of its own; the system check has better ones
SECRET_KEY = env.text("SECRET_KEY", UNSET)
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.words("CSRF_TRUSTED_ORIGINS", [])
HTTPS = env.flag("HTTPS", False)  # served behind TLS: secure cookies, and the proxy's word for the scheme is taken
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SECURE_SSL_REDIRECT = HTTPS
SECURE_REDIRECT_EXEMPT = ["^(health|livez|readyz|metrics)$"]  # requested without the proxy
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
# Whether all other names below this one speak TLS, and shall be on the browsers' list for ever, is not ours to say.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 12 * 3600  # idle; use renews it (`accounts/middleware.py`)
LANGUAGE_COOKIE_AGE = 365 * 86_400
LANGUAGE_COOKIE_SECURE = HTTPS
LANGUAGE_COOKIE_HTTPONLY = True
LANGUAGE_COOKIE_SAMESITE = "Lax"
TRUSTED_PROXIES = env.number("TRUSTED_PROXIES", 0, 0, 10)  # of ours in front, whose word for the address is taken
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"

# --- The house ------------------------------------------------------------------------------------------------------
ROOT_URLCONF = "slamonitor.urls"
WSGI_APPLICATION = "slamonitor.wsgi.application"
INSTALLED_APPS = [
    "slamonitor",
    "database",
    "observability",
    "accounts",
    "monitoring",
    "incidents",
    "statuspage",
    "unfold.apps.BasicAppConfig",  # its templates come before the admin's; the site is in `slamonitor/admin_site.py`
    "slamonitor.apps.AdminConfig",
    "ninja",  # for the static files of the API's docs
    "axes",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]
MIDDLEWARE = [
    "observability.middleware.ObservabilityMiddleware",  # before all others: it puts into form what they answer
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
    "slamonitor.admin_site.manners",
    "accounts.middleware.say_allowance",
    "axes.middleware.AxesMiddleware",  # answers sign-ins that are locked out
    "observability.idempotency.IdempotencyMiddleware",  # behind all others: requests that they refuse are not looked up
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

# --- Database: a URL, or the parts that compose files like, or the embedded server's from the state directory ---------
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
DB_POOL_TIMEOUT = env.number("DB_POOL_TIMEOUT", 20, 1, 600)  # seconds to wait for a free connection
# Without a database (a probe-only worker), Django's dummy backend refuses every query with a message.
DATABASES: dict[str, dict[str, Any]] = {"default": {"ENGINE": "django.db.backends.dummy"}}
if DATABASE is not None:
    # A server that vanished without a word is noticed in seconds, not when the kernel gives up after a quarter hour.
    CONNECTION_TIMEOUTS = {
        "connect_timeout": 5,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "tcp_user_timeout": 15_000,
    }
    # Says in pg_stat_activity who it is: a restore must know whether an engine is at work.
    CONNECTION_NAME = {"application_name": f"slamonitor {Path(sys.argv[0]).name}"[:63]}
    POOL = {"min_size": 1, "max_size": DB_MAX_CONNECTIONS, "timeout": DB_POOL_TIMEOUT}
    DATABASES = {
        "default": {
            **DATABASE,
            "CONN_HEALTH_CHECKS": True,  # a connection that a restarted server closed is replaced, not used
            "OPTIONS": {**CONNECTION_NAME, **CONNECTION_TIMEOUTS, **DATABASE.get("OPTIONS", {}), "pool": POOL},
        }
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Broker ---------------------------------------------------------------------------------------------------------
REDIS_URL = env.text("REDIS_URL", "")
CELERY_BROKER_URL = env.parsed(
    "BROKER_URL", str, "", "Set it to amqp://user:password@host:5672/, or leave it unset to use REDIS_URL."
) or env.parsed("REDIS_URL", celery_url, "", "Write redis://:password@host:6379/0, rediss://… or unix:///path?db=0.")

# --- People ---------------------------------------------------------------------------------------------------------
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
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]  # the failures that a sign-in forgives
AXES_FAILURE_LIMIT = 5  # of those; the other limits are in `accounts/lockout.py`
AXES_HANDLER = "accounts.lockout.Handler"
AXES_USERNAME_CALLABLE = "accounts.lockout.name_of"
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_RESET_ON_SUCCESS = True
AXES_LOCKOUT_CALLABLE = "accounts.lockout.say_locked"
AXES_CLIENT_IP_CALLABLE = "accounts.lockout.neighbourhood_address"
AXES_DISABLE_ACCESS_LOG = True  # failures are kept while they count, and nothing else
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False

# --- Words and time -------------------------------------------------------------------------------------------------
LANGUAGES = [("en", "English"), ("ko", "한국어")]
LANGUAGE_CODE = env.text("LANGUAGE_CODE", "en")
if LANGUAGE_CODE not in dict(LANGUAGES):
    env.report("LANGUAGE_CODE", f"{LANGUAGE_CODE!r} is not supported", "Set it to en or ko.")
    LANGUAGE_CODE = "en"
LOCALE_PATHS = [BASE_DIR / "locale"]
FORMAT_MODULE_PATH = "slamonitor.formats"
USE_TZ = True
TIME_ZONE = "UTC"
PAGE_TIME_ZONE = env.parsed(  # calendar days, and so every daily figure, are days of this zone
    "PAGE_TIME_ZONE", zoneinfo.ZoneInfo, zoneinfo.ZoneInfo("UTC"), "Set it to a name such as Asia/Seoul."
)
SITE_NAME = env.text("SITE_NAME", "SLA Monitor")
PAGE_URL = env.text("PAGE_URL", "http://localhost:8000")  # as jobs and people reach it; `up` notes the one it serves

# --- Admin: the looks of Django's admin; its colours are in `slamonitor/static/slamonitor/admin.css` ------------------
UNFOLD = {
    "SITE_TITLE": lambda request: SITE_NAME,
    "SITE_HEADER": lambda request: SITE_NAME,
    "SITE_SUBHEADER": lambda request: str(PAGE_TIME_ZONE),  # of every time in the admin
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
# Files are found where they lie and need no collecting first; the page names them by content (`statuspage/assets.py`).
WHITENOISE_USE_FINDERS = True

# --- Probing --------------------------------------------------------------------------------------------------------
REGION = env.text("REGION", "default")  # the region that a worker started here probes from
PROBE_ALLOW_PRIVATE = env.flag("PROBE_ALLOW_PRIVATE", True)
PROBE_DNS_SERVERS = env.words("PROBE_DNS_SERVERS", [])  # of /etc/resolv.conf when empty
PROBE_MAX_IN_FLIGHT = env.number("PROBE_MAX_IN_FLIGHT", 10_000, 1, 1_000_000)

PROBE_FINISH_S = env.number(
    "PROBE_FINISH_S", 20, 0, 600
)  # for which a worker that is to end finishes what it took over
CANARY_URLS = env.words("CANARY_URLS", [])  # targets that only our own network can make fail, asked when checks are bad
# Seal the secrets of services; the first one seals, all of them open. SECRET_KEY seals where there is none, and opens.
SECRETS_KEYS = env.words("SECRETS_KEY", [])

# --- API ------------------------------------------------------------------------------------------------------------
SERVICE_NAME = "sla-monitor"  # as answers, logs and health say it
# Addresses whose answers are for programs: one form of errors, trace headers, idempotency.
API_PREFIXES, API_SUFFIXES = ("/api/", "/heartbeat/", "/ping/"), (".json",)
API_RATE_LIMIT = env.number("API_RATE_LIMIT", 600, 0, 1_000_000)  # requests a minute of one token; 0: no limit

# --- Figures for Prometheus -----------------------------------------------------------------------------------------
METRICS_DIR = Path(env.text("METRICS_DIR", str(STATE_DIR / "metrics")))  # the processes of one machine meet there
METRICS_TOKEN = env.text("METRICS_TOKEN", "")  # without it /metrics answers only this machine and private networks

# --- Maintenance jobs -----------------------------------------------------------------------------------------------
# Days for which raw rows are kept; less than three would leave late checks no time. Figures and runs stay for ever.
KEEP_CHECKS_DAYS = env.number("KEEP_CHECKS_DAYS", 90, 3, 3660)
KEEP_RESPONSE_TIMES_DAYS = env.number("KEEP_RESPONSE_TIMES_DAYS", 90, 3, 3660)
COMPRESS_AFTER_DAYS = env.number("COMPRESS_AFTER_DAYS", 7, 3, 3660)  # for which raw rows stay as they are
DATABASE_DISK = env.text("DATABASE_DISK", "")  # a path on PostgreSQL's disk, where that is not to be found out
SLOW_QUERY_MS = env.number("SLOW_QUERY_MS", 1000, 1, 3_600_000)  # longer ones are logged, whatever the server logs

# --- Backups --------------------------------------------------------------------------------------------------------
PG_BIN = env.text("PG_BIN", "")  # where pg_dump is; looked for when empty
# In the state directory of an installation with its own place, such as the demonstration; otherwise in the checkout.
# Processes that `manage.py up` starts get its folder, and must use the same place as a command in another shell.
IS_ELSEWHERE = STATE_DIR.resolve() != (BASE_DIR / "var").resolve() and STATE_DIR.is_dir()
OWN_PLACE = STATE_DIR if IS_ELSEWHERE else BASE_DIR
BACKUP_DIR = Path(env.text("BACKUP_DIR", str(OWN_PLACE / "backups"))).absolute()
DEFAULT_BACKUP_AT: time | None = time(2)
BACKUP_AT = env.parsed(
    "BACKUP_AT", time_of_day, DEFAULT_BACKUP_AT, "Set it to a time such as 02:00, or to off."
)  # None: off
BACKUP_KEEP_DAYS = env.number("BACKUP_KEEP_DAYS", 30, 1, 3650)
BACKUP_AGE_RECIPIENTS = env.words("BACKUP_AGE_RECIPIENTS", [])  # who may read backups; in the clear when empty
BACKUP_AGE_IDENTITY = env.text("BACKUP_AGE_IDENTITY", "")  # the file with the key that opens them
BACKUP_BUCKET = env.parsed("BACKUP_BUCKET", bucket_and_prefix, None, "Set it to s3://bucket or s3://bucket/folder.")
BACKUP_BUCKET_ENDPOINT = env.text("BACKUP_BUCKET_ENDPOINT", "")  # Amazon's when empty
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
# These say at INFO what other lines of ours say with more in them, or what nobody needs each second.
QUIET = ("httpx", "axes", "celery.worker.strategy", "celery.app.trace", "celery.beat", "celery.worker.consumer")
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"chosen": {"()": "observability.logs.formatter", "form": LOG_FORMAT, "service": SERVICE_NAME}},
    "handlers": {"sink": {"class": "observability.log_sink.LogSink", "formatter": "chosen"}},
    "root": {"handlers": ["sink"], "level": LOG_LEVEL},
    "loggers": {
        **{name: {"level": "WARNING"} for name in QUIET},
        "django.request": {"level": "ERROR"},  # each request has a line anyway, with its status
    },
}

SETTINGS_PROBLEMS = env.problems
