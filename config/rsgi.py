"""The RSGI application that Granian serves."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup(set_prefix=False)

from django.conf import settings  # noqa: E402
from django.db import connections  # noqa: E402

from common.hooks import require_hooks  # noqa: E402
from common.metrics.in_server import enable_in_folder  # noqa: E402
from common.server.application import Application  # noqa: E402 - needs the settings
from common.server.handler import LenientHandler  # noqa: E402
from common.server.threads import seconds_to_wait  # noqa: E402

enable_in_folder(settings.METRICS_PREFIX)
# Granian runs no system checks.
require_hooks()
# Requests share a pool of connections, perhaps behind a pooler, and have time limits. settings.DATABASES stays as it
# is, for connections of their own (see common/direct.py), but for their name.
settings.DATABASES["default"]["OPTIONS"]["application_name"] = settings.REQUEST_DATABASE["OPTIONS"]["application_name"]
connections.settings = connections.settings | {
    "default": settings.DATABASES["default"] | settings.REQUEST_DATABASE | {"POOL_WAIT": seconds_to_wait}
}
# Calls that wait for revocations or for a password hash get extra threads. They have no connection meanwhile.
THREADS = (
    settings.REQUESTS_AT_ONCE
    + settings.WAITING_POLLS
    + settings.PASSWORD_HASHING_SLOTS
    + settings.PASSWORD_HASHING_QUEUE
)
application = Application(
    LenientHandler(),
    threads=THREADS,
    at_once=settings.REQUESTS_AT_ONCE,
    # One call for operators and one of the API.
    first_paths=["/readyz", f"{settings.API_PREFIX}v1/live-stream/upcoming"],
)
