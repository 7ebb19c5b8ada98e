"""What the web server calls."""

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
# A request does not wait without end. Commands and workers may: a migration or an export takes as long as it takes.
connections.settings["default"]["TIME_LIMITS"] = settings.REQUEST_TIME_LIMITS
# Each thread keeps a connection to the database. Calls that wait for news or for the hash of a password come on top.
THREADS = (
    settings.REQUESTS_AT_ONCE
    + settings.WAITING_POLLS
    + settings.PASSWORD_HASHING_SLOTS
    + settings.PASSWORD_HASHING_QUEUE
)
application = Application(LenientHandler(), threads=THREADS, at_once=settings.REQUESTS_AT_ONCE)
