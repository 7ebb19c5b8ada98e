"""The RSGI application that Granian serves."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup(set_prefix=False)

from django.conf import settings  # noqa: E402
from django.db import connections  # noqa: E402

from common.hooks import require_hooks  # noqa: E402
from common.server.application import Application  # noqa: E402 - needs the settings
from common.server.handler import LenientHandler  # noqa: E402

# Granian runs no system checks.
require_hooks()
# Requests have time limits. Commands and workers have none, because a migration or an export may take long.
connections.settings["default"]["TIME_LIMITS"] = settings.REQUEST_TIME_LIMITS
# Each thread keeps a database connection. Calls that wait for revocations or for a password hash get extra threads.
THREADS = (
    settings.REQUESTS_AT_ONCE
    + settings.WAITING_POLLS
    + settings.PASSWORD_HASHING_SLOTS
    + settings.PASSWORD_HASHING_QUEUE
)
application = Application(LenientHandler(), threads=THREADS, at_once=settings.REQUESTS_AT_ONCE)
