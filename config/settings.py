"""Settings. What differs between installations is an environment variable; `.env.example` lists them all."""

from datetime import timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.core.exceptions import ImproperlyConfigured
from django.urls import reverse_lazy

from common.addresses import networks
from config.backups import BACKUP_FOLDER, POSTGRES_PROGRAMS  # noqa: F401 - settings
from config.calendars import check_calendar_domain, check_stream_page_url
from config.channels import check_email, check_webhook, mailer
from config.cors import ALLOWED_HEADERS, EXPOSED_HEADERS
from config.csp import NOTHING, admin_policy
from config.database import (  # noqa: F401 - settings
    COMMAND_TIME_LIMITS,
    DATABASE_POOL_SIZE,
    DATABASES,
    IS_TRANSACTION_POOLED,
    MIGRATE_LOCK_SECONDS,
    REQUEST_DATABASE,
    REQUEST_TIME_LIMITS,
    REQUESTS_AT_ONCE,
)
from config.environment import BASE_DIR, DATA_DIR, env
from config.identity import (  # noqa: F401 - settings
    IDENTITY_ALGORITHMS,
    IDENTITY_ALGORITHMS_KNOWN,
    IDENTITY_AUDIENCE,
    IDENTITY_ISSUER,
    IDENTITY_JWKS_URL,
    IDENTITY_PUBLIC_KEY,
    IDENTITY_TOKEN_MAX_SECONDS,
)
from config.keys import (  # noqa: F401 - settings
    CLOCK_LEEWAY,
    ENCRYPTED_COLUMNS,
    JWT_SIGNING_KEY,
    JWT_SIGNING_KEY_FALLBACKS,
    KEY_USES,
    LASTING_SIGNERS,
    SECRET_KEY,
    SECRET_KEY_FALLBACKS,
    SIMPLE_JWT,
)
from config.logs import ACCESS_LOG, AUDIT_CLIENT_ADDRESS, LOGGING  # noqa: F401 - settings
from config.media import read_bucket, storages
from config.metrics import (  # noqa: F401 - settings
    METRICS_PREFIX,
    METRICS_READINGS,
    METRICS_SERVE_ADDRESS,
    METRICS_WORKER_ADDRESS,
)
from config.openapi import SCHEMA_TYPE_NAMES, SPECTACULAR_SETTINGS  # noqa: F401 - settings
from config.people import PERSONAL_DATA, ROLES, SERVICE_TOKEN_DAYS  # noqa: F401 - settings
from config.playground import GUIDES, PLAYGROUND  # noqa: F401 - settings
from config.rate_limits import RATE_LIMITS  # noqa: F401 - a setting
from config.replica import DATABASE_REPLICA_MAX_LAG_SECONDS, DATABASE_REPLICA_URL, with_replica  # noqa: F401 - settings
from config.reporting import DEFAULT_REASONS, check_reasons
from config.retention import (  # noqa: F401 - settings
    AUDIT_ARCHIVE_FOLDER,
    AUDIT_RETENTION_YEARS,
    BULK_REQUEST_RETENTION,
    DELETED_RETENTION,
    DELIVERY_RETENTION,
    DEVICE_TOKEN_RETENTION,
    FEEDBACK_RETENTION,
    JOB_RETENTION,
    NOTIFICATION_RETENTION_MONTHS,
    PARTICIPANT_RETENTION,
    REMINDER_RETENTION,
    REPORT_RETENTION,
    REVOCATION_RETENTION,
    SESSION_RETENTION,
    VIEWER_SAMPLE_RETENTION,
)
from config.reviewing import (  # noqa: F401 - settings
    FOUR_EYES_ABOVE,
    FOUR_EYES_WAIT,
    REVIEW_CLAIM,
    REVIEW_OWN_BANS_AFTER,
    REVIEW_REASONS,
)
from config.templating import FORM_RENDERER, TEMPLATES  # noqa: F401 - settings
from config.tracing import TRACES, TRACES_SERVICE_NAME  # noqa: F401 - settings
from config.unfold import UNFOLD  # noqa: F401 - a setting

# --- the installation -----------------------------------------------------------------------------

DEBUG = env.bool("DEBUG", default=False)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
CORS_ALLOWED_ORIGINS = env.list("CORS_ALLOWED_ORIGINS", default=[])
PUBLIC_URL = env.str("PUBLIC_URL", default="http://localhost:8000")  # the base URL for clients
DATABASES = with_replica(DATABASES, DATABASE_REPLICA_URL)
SECURE = env.bool("SECURE", default=False)  # served over TLS: secure cookies, HSTS

try:
    TRUSTED_PROXIES = networks(env.list("TRUSTED_PROXIES", default=[]))
except ValueError as error:
    raise ImproperlyConfigured(f"TRUSTED_PROXIES: {error}") from error

SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if SECURE else None
SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=SECURE)
# Load balancers call these without TLS. A redirect does not protect an API token that has already been sent.
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^api/", r"^\.well-known/"]
SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", default=31_536_000 if SECURE else 0)
SECURE_HSTS_INCLUDE_SUBDOMAINS = env.bool("SECURE_HSTS_INCLUDE_SUBDOMAINS", default=SECURE)
SECURE_HSTS_PRELOAD = env.bool("SECURE_HSTS_PRELOAD", default=SECURE)

# --- the project ----------------------------------------------------------------------------------

INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    # config/urls.py imports the pages of the admin, so that commands and workers, which need none, start sooner.
    "django.contrib.admin.apps.SimpleAdminConfig",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.postgres",
    "django.contrib.staticfiles",
    "django.forms",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "common",
    "accounts",  # before django.contrib.auth, whose createsuperuser and changepassword it replaces
    "django.contrib.auth",
    "livestreams",
    "edges",
    "bans",
    "reminders",
    "procrastinate.contrib.django",
    "config",
]

# The API needs neither sessions nor messages, because each request has its token. So middleware for browsers skips API
# paths: see common/middleware.py. Django's own three cost 6 µs a request; `check --deploy` looks for them by name.
API_PREFIX = "/api/"
ADMIN_PREFIX = "/admin/"
MIDDLEWARE = [
    "common.middleware.mark_entry_point",
    *(["corsheaders.middleware.CorsMiddleware"] if CORS_ALLOWED_ORIGINS else []),
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "common.middleware.BrowserPolicyMiddleware",
    "common.middleware.BrowserStaticMiddleware",
    "common.middleware.BrowserSessionMiddleware",
    "common.middleware.BrowserLocaleMiddleware",
    "common.middleware.BrowserAuthenticationMiddleware",
    "common.middleware.BrowserMessageMiddleware",
    "accounts.middleware.follow_preferences",
    "common.error_pages.framed",
]
if CORS_ALLOWED_ORIGINS:
    INSTALLED_APPS.append("corsheaders")
CORS_ALLOW_HEADERS = ALLOWED_HEADERS
CORS_EXPOSE_HEADERS = EXPOSED_HEADERS
CORS_URLS_REGEX = rf"^{API_PREFIX}"

ROOT_URLCONF = "config.urls"
APPEND_SLASH = False
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Only Unfold uses Django's cache. It would show what a search found for five minutes: in the language of that request,
# and after a permission was taken away.
CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}

# --- users and tokens -----------------------------------------------------------------------------

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["accounts.backends.LimitedBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "accounts.passwords.PreparedPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = reverse_lazy("admin:login")
SESSION_COOKIE_AGE = 3600 * env.int("ADMIN_SESSION_HOURS", default=12)
# Password hashes that a server process computes at the same time, each on one core. Further logins wait in the queue,
# each in a thread: see config/rsgi.py.
PASSWORD_HASHING_SLOTS = env.int("PASSWORD_HASHING_SLOTS", default=1)
PASSWORD_HASHING_QUEUE = 4
if SESSION_COOKIE_AGE < 3600 or PASSWORD_HASHING_SLOTS < 1:
    raise ImproperlyConfigured("ADMIN_SESSION_HOURS and PASSWORD_HASHING_SLOTS must be at least 1.")
LOGIN_REDIRECT_URL = reverse_lazy("admin:index")
CSRF_FAILURE_VIEW = "common.error_pages.csrf_failure"

# How long something that was signed with a key is used: docs/keys.md. Sessions of the admin, and refresh tokens.
KEY_LIFETIMES = {
    "SECRET_KEY": timedelta(seconds=SESSION_COOKIE_AGE),
    "JWT_SIGNING_KEY": SIMPLE_JWT["REFRESH_TOKEN_LIFETIME"],
}

# --- the API --------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["accounts.authentication.TokenAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["common.api.EnvelopeRenderer"],
    "DEFAULT_PARSER_CLASSES": ["common.api.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "common.schema.EnvelopeSchema",
    "EXCEPTION_HANDLER": "common.api.refuse",
    "DEFAULT_METADATA_CLASS": None,
    "UNAUTHENTICATED_USER": None,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
PROBLEM_TYPE_PREFIX = "urn:kumanda:error:"  # `type` of problem+json, before the code
# Keys of bodies and queries that older clients send and nothing reads. Other unknown keys are refused, and so is one of
# these if it is a near miss of a key of the operation.
IGNORED_KEYS = frozenset(env.list("IGNORED_KEYS", default=[]))
# How long a repeated request with the same Idempotency-Key gets the stored answer.
IDEMPOTENCY_LIFETIME = timedelta(hours=env.int("IDEMPOTENCY_KEY_HOURS", default=24))
if not timedelta(hours=1) <= IDEMPOTENCY_LIFETIME <= timedelta(days=30):
    raise ImproperlyConfigured("IDEMPOTENCY_KEY_HOURS must be between 1 and 720.")
# Users with it have no limits: the accounts of media servers and chat servers.
UNLIMITED_PERMISSION = "livestreams.enforce"
JSON_BODY_LIMIT = 65_536  # bytes
LARGE_JSON_BODY_LIMIT = 1_048_576  # bytes, for bodies with long lists
UPLOAD_BODY_LIMIT = 6 * 1_048_576  # bytes, for a picture of 5 MB and the other fields
DATA_UPLOAD_MAX_MEMORY_SIZE = LARGE_JSON_BODY_LIMIT  # a form without its files
DATA_UPLOAD_MAX_NUMBER_FILES = 10
FILE_UPLOAD_HANDLERS = ["common.uploads.BoundedUploadHandler"]
# Pictures that each server process decodes at the same time: see common/pictures.
PICTURE_SLOTS = env.int("PICTURE_SLOTS", default=1)
if PICTURE_SLOTS < 1:
    raise ImproperlyConfigured("PICTURE_SLOTS must be at least 1.")
DEVELOPMENT_SERVER_URL = env.str("DEVELOPMENT_SERVER_URL", default=PUBLIC_URL)
PRODUCTION_SERVER_URL = env.str("PRODUCTION_SERVER_URL", default="https://api.example.com")
# Whom users of the API ask, and what they may do with it: `contact` and `license` of the API document.
API_CONTACT = {
    "name": env.str("API_CONTACT_NAME", default=SPECTACULAR_SETTINGS["CONTACT"]["name"]),
    "url": env.str("API_CONTACT_URL", default=PUBLIC_URL),
    "email": env.str("API_CONTACT_EMAIL", default=""),
}
API_LICENSE = {
    "name": env.str("API_LICENSE_NAME", default=SPECTACULAR_SETTINGS["LICENSE"]["name"]),
    "url": env.str("API_LICENSE_URL", default=""),
}
# Accounts that the playground offers for Development: [{"role": …, "username": …, "password": …}]. The demo sets them.
PLAYGROUND_ACCOUNTS = env.json("PLAYGROUND_ACCOUNTS", default=[])

# --- streams --------------------------------------------------------------------------------------

NO_SHOW_GRACE = timedelta(minutes=env.int("NO_SHOW_GRACE_MINUTES", default=60))
PREPARING_GRACE = timedelta(minutes=env.int("PREPARING_GRACE_MINUTES", default=1440))
JOIN_TOKEN_LIFETIME = timedelta(seconds=env.int("JOIN_TOKEN_SECONDS", default=120))
if not timedelta(seconds=10) <= JOIN_TOKEN_LIFETIME <= timedelta(hours=1):
    raise ImproperlyConfigured("JOIN_TOKEN_SECONDS must be between 10 and 3600.")
# The domain in the UIDs of calendar events. Calendar programs identify events by UID, so it must never change.
CALENDAR_DOMAIN = env.str("CALENDAR_DOMAIN", default="kumanda.invalid")
check_calendar_domain(CALENDAR_DOMAIN)
# The page of a stream, with {id} or {channelName}. If it is empty, calendar events have no URL.
STREAM_PAGE_URL = env.str("STREAM_PAGE_URL", default="")
check_stream_page_url(STREAM_PAGE_URL)
# For what a stream can be reported: see bans/reasons.py.
REPORT_REASONS = env.list("REPORT_REASONS", default=DEFAULT_REASONS)
check_reasons(REPORT_REASONS)
# Implementations of the hooks in hooks.py of livestreams, edges and bans, in apps that these must not import.
AUDIENCE_RESTRICTION = "bans.models.restriction"
STREAM_FOLLOWERS = ["edges.services.follow_stream", "reminders.services.follow_stream"]
REMINDER_WAITS = "reminders.models.waits"
STREAM_REMINDERS = "reminders.models.reminders_of"
STREAM_BANS = "bans.models.bans_of"
MODERATES = "bans.permissions.moderates"
VERDICT_NOTICES = "reminders.services.notify_of_verdicts"
VERDICT_WITHDRAWAL = "reminders.services.withdraw_verdict_notice"
# Threads of a server process that may wait for revocations, beside those for requests: see config/rsgi.py.
WAITING_POLLS = 16

# --- reminders ------------------------------------------------------------------------------------

REMINDER_GRACE = timedelta(minutes=env.int("REMINDER_GRACE_MINUTES", default=10))
# Channels beside the inbox. A new channel is one module and one line here.
KNOWN_CHANNELS = {
    "webhook": "reminders.channels.webhook.WebhookChannel",
    "email": "reminders.channels.email.EmailChannel",
}
_CHOSEN_CHANNELS = env.list("NOTIFICATION_CHANNELS", default=[])
if not set(_CHOSEN_CHANNELS) <= set(KNOWN_CHANNELS):
    raise ImproperlyConfigured(f"NOTIFICATION_CHANNELS may name {', '.join(KNOWN_CHANNELS)} only.")
NOTIFICATION_CHANNELS = {name: KNOWN_CHANNELS[name] for name in _CHOSEN_CHANNELS}

WEBHOOK_URL = env.str("WEBHOOK_URL", default="")
WEBHOOK_SECRETS = env.list("WEBHOOK_SECRETS", default=[])
WEBHOOK_ALLOW_PRIVATE = env.bool("WEBHOOK_ALLOW_PRIVATE", default=False)
check_webhook(
    WEBHOOK_URL,
    WEBHOOK_SECRETS,
    allow_private=WEBHOOK_ALLOW_PRIVATE,
    required="webhook" in NOTIFICATION_CHANNELS,
)

MAILERS = {"default": mailer(env.email_url("EMAIL_URL"))} if env.str("EMAIL_URL", default="") else {}
SILENCED_SYSTEM_CHECKS = ["mail.W001"]  # without EMAIL_URL no mail is sent
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="")
if "email" in NOTIFICATION_CHANNELS:
    check_email(MAILERS, DEFAULT_FROM_EMAIL)

# With this token /readyz also returns READINESS_FACTS.
OPERATIONS_TOKEN = env.str("OPERATIONS_TOKEN", default="")
if OPERATIONS_TOKEN and len(OPERATIONS_TOKEN) < 32:
    raise ImproperlyConfigured("OPERATIONS_TOKEN must have at least 32 characters.")
# How long /readyz caches its result, so that many calls cost no more than one.
READY_KEPT_SECONDS = 1.0
UNREADY_KEPT_SECONDS = 0.2
# How long a server process that is asked to stop still serves, while /readyz is red.
DRAIN_SECONDS = env.float("DRAIN_SECONDS", default=0.0)
if not 0 <= DRAIN_SECONDS <= 600:
    raise ImproperlyConfigured("DRAIN_SECONDS must be between 0 and 600.")
READINESS_FACTS = {"dispatch": "reminders.services.dispatch_state"}
if DATABASE_REPLICA_URL:
    READINESS_FACTS["replica"] = "common.replica.checks.readiness"
# What the command doctor checks beside the installation itself.
DOCTOR_CHECKS = [
    "common.connection_doctor.examine",
    "common.schema_doctor.examine",
    "common.jobs.doctor.examine",
    "common.secret_keys.doctor.examine",
    "common.audit_doctor.examine",
    "common.partitions.examine",
    "common.replica.doctor.examine",
    "common.storage.doctor.examine",
    "accounts.doctor.examine",
    "reminders.doctor.examine",
    "config.doctor.examine",
]

# What `purge` removes, in this order. An app adds its kinds by a line here: see common/retention.py.
RETENTION = [
    "livestreams.retention.kinds",
    "edges.retention.kinds",
    "bans.retention.kinds",
    "reminders.retention.kinds",
    "accounts.retention.kinds",
    "common.old_rows.kinds",
]

# Each job queue: the default of the worker's option for how many jobs run at once, and the help of that option.
WORKER_QUEUES = {
    "notifying": (2, "chunks written at once"),
    "delivering": (8, "deliveries under way at once"),
}
PROCRASTINATE_ON_APP_READY = "common.jobs.renamed.register_old_names"
# Old and new names of renamed tasks, so that jobs stored before an upgrade still run.
RENAMED_TASKS = {
    "config.tasks.forget_tokens": "accounts.tasks.forget_tokens",
    "reminders.tasks.expire_no_shows": "livestreams.tasks.expire_no_shows",
    "common.tasks.forget_failed_jobs": "config.tasks.purge",
    "reminders.tasks.forget_failed_jobs": "config.tasks.purge",
    "reminders.tasks.take_over_stalled_jobs": "common.tasks.take_over_stalled_jobs",
    "reminders.tasks.take_up_what_was_left": "reminders.tasks.requeue_lost_work",
    "reminders.tasks.tell_chunks": "reminders.tasks.notify_chunks",
}
# A worker sends a heartbeat every WORKER_HEARTBEAT seconds; WORKER_LOST_AFTER the last one its jobs are taken over.
WORKER_HEARTBEAT = env.int("WORKER_HEARTBEAT_SECONDS", default=5)
WORKER_LOST_AFTER = env.int("WORKER_LOST_AFTER_SECONDS", default=15)
if not 0 < 2 * WORKER_HEARTBEAT <= WORKER_LOST_AFTER:
    raise ImproperlyConfigured("WORKER_LOST_AFTER_SECONDS must be at least two WORKER_HEARTBEAT_SECONDS.")

# --- languages, files -----------------------------------------------------------------------------

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("tr", "Türkçe")]
# The second has what django-unfold shows: it has no Turkish of its own.
LOCALE_PATHS = [BASE_DIR / "locale", BASE_DIR / "locale" / "unfold"]
EXAMPLES_FOLDER = BASE_DIR / "config" / "examples"  # recorded answers, the examples of the API document
USE_TZ = True
TIME_ZONE = "UTC"
FORMAT_MODULE_PATH = "config.formats"
# For members of staff who chose none.
ADMIN_TIME_ZONE = env.str("ADMIN_TIME_ZONE", default="UTC")
try:
    ZoneInfo(ADMIN_TIME_ZONE)
except (ValueError, ZoneInfoNotFoundError) as error:
    raise ImproperlyConfigured("ADMIN_TIME_ZONE must be the name of a time zone, as Europe/Istanbul.") from error

STATIC_URL = "/static/"
MEDIA_URL = env.str("MEDIA_URL", default=f"{PUBLIC_URL}/media/")
MEDIA_ROOT = DATA_DIR / "media"
_STORAGE_KIND = env.str("MEDIA_STORAGE_KIND", default="local")
STORAGES = storages(
    _STORAGE_KIND, read_bucket(), media_url=MEDIA_URL, is_media_url_set=bool(env.str("MEDIA_URL", default=""))
)
SERVES_MEDIA = _STORAGE_KIND == "local"  # whether `serve` answers /media/ from MEDIA_ROOT
# Which rows name stored files: see common/storage/sources.py.
STORED_FILES = ["accounts.stored_files.sources", "livestreams.stored_files.sources"]
# Content security policies: the default, and that of the admin.
SECURE_CSP = NOTHING
ADMIN_CSP = admin_policy(MEDIA_URL)
# Served from the installed packages, which are scanned once at the start. No collectstatic is needed.
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False
