"""What the web server calls."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup(set_prefix=False)

from common.handlers import LenientHandler  # noqa: E402 - it needs the settings

application = LenientHandler()
