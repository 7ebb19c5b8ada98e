"""The settings, with the middleware of tests/server/leaking.py."""

from config.settings import *  # noqa: F403
from config.settings import MIDDLEWARE

MIDDLEWARE = [*MIDDLEWARE, "tests.server.leaking.leaking"]
