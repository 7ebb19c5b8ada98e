"""The settings of `startproject`, with Kumanda's models, PostgreSQL, and simplejwt as in its documentation."""

import os

SECRET_KEY = os.environ["SECRET_KEY"]
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1"]

INSTALLED_APPS = [
    # Without autodiscovery of the apps' admin modules, which need Kumanda's admin site.
    "django.contrib.admin.apps.SimpleAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "benchmarks.peers.drf.apps.CommonTables",
    "accounts",
    "livestreams",
    "edges",
    "bans",
    "reminders",
    "procrastinate.contrib.django",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "benchmarks.peers.drf.api"
WSGI_APPLICATION = "benchmarks.peers.drf.wsgi.application"
APPEND_SLASH = False
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql", "NAME": "kumanda", "USER": "kumanda"}}
AUTH_USER_MODEL = "accounts.User"

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True
LANGUAGES = [("en", "English"), ("tr", "Türkçe")]
STATIC_URL = "static/"
MEDIA_URL = os.environ["MEDIA_URL"]
PUBLIC_URL = os.environ["PUBLIC_URL"]

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["benchmarks.peers.drf.contract.SessionJWTAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_PAGINATION_CLASS": "benchmarks.peers.drf.contract.ContractPagination",
    "DEFAULT_RENDERER_CLASSES": [
        "benchmarks.peers.drf.contract.EnvelopeRenderer",
        "rest_framework.renderers.BrowsableAPIRenderer",
    ],
}
SIMPLE_JWT = {"SIGNING_KEY": os.environ["JWT_SIGNING_KEY"], "ISSUER": "kumanda", "USER_ID_CLAIM": "sub"}
# Settings that Kumanda's modules read at import. No measured request uses them.
PICTURE_SLOTS = PASSWORD_HASHING_SLOTS = 1
PASSWORD_HASHING_QUEUE = 0
JSON_BODY_LIMIT = 65_536
NOTIFICATION_CHANNELS: dict[str, str] = {}
