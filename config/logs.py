"""Logs: the level of messages, the log of requests, and how logs and audit rows show the addresses of clients."""

from typing import NamedTuple

from django.core.exceptions import ImproperlyConfigured

from common.addresses import PLAIN, SHOWN
from common.logging import logging_config
from config.environment import env

LOGGING = logging_config(level=env.str("LOG_LEVEL", default="INFO"), secrets_after=["/calendar/", "/unsubscribe/"])


class AccessLog(NamedTuple):
    """`sample` is the share of the requests below status 400 that are logged. All others always are."""

    is_on: bool
    sample: float
    has_health: bool
    address: str


def _checked(name: str, how: str) -> str:
    if how not in SHOWN:
        raise ImproperlyConfigured(f"{name} must be one of {', '.join(SHOWN)}.")
    return how


ACCESS_LOG = AccessLog(
    is_on=env.bool("ACCESS_LOG", default=True),
    sample=env.float("ACCESS_LOG_SAMPLE", default=1.0),
    has_health=env.bool("ACCESS_LOG_HEALTH", default=False),
    address=_checked("LOG_CLIENT_ADDRESS", env.str("LOG_CLIENT_ADDRESS", default=PLAIN)),
)
if not 0 <= ACCESS_LOG.sample <= 1:
    raise ImproperlyConfigured("ACCESS_LOG_SAMPLE must be between 0 and 1.")
AUDIT_CLIENT_ADDRESS = _checked("AUDIT_CLIENT_ADDRESS", env.str("AUDIT_CLIENT_ADDRESS", default=PLAIN))
