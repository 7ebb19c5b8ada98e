"""The settings, with the middleware of tests/server/killing.py that KILLED names."""

import os

from config.settings import *  # noqa: F403
from config.settings import MIDDLEWARE

MIDDLEWARE = [f"tests.server.killing.{os.environ['KILLED']}", *MIDDLEWARE]
