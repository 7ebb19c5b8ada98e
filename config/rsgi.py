"""What the web server calls."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup(set_prefix=False)

from django.conf import settings  # noqa: E402
from django.db import connections  # noqa: E402

from common.server.application import Application  # noqa: E402 - needs the settings
from common.server.requests import Handler  # noqa: E402
from config.server import THREADS  # noqa: E402

# A request does not wait without end. Commands and workers may: a migration or an export takes as long as it takes.
connections.settings["default"]["TIME_LIMITS"] = settings.REQUEST_TIME_LIMITS
application = Application(Handler(), threads=THREADS)
