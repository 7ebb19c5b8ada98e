"""The settings, for a server that is killed after it has committed a refresh and before it answers."""

from config.settings import *  # noqa: F403
from config.settings import MIDDLEWARE

MIDDLEWARE = ["tests.accounts.dying.killed_after_refresh", *MIDDLEWARE]
