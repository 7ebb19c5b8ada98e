"""Logs: the level of messages, the log of requests, and how logs and audit rows show the addresses of clients."""

from django.core.exceptions import ImproperlyConfigured

from common.addresses import PLAIN, SHOWN
from common.logging import logging_config
from config.environment import env

LOGGING = logging_config(level=env.str("LOG_LEVEL", default="INFO"), secrets_after=["/calendar/", "/unsubscribe/"])

ACCESS_LOG = env.bool("ACCESS_LOG", default=True)
# The share of the requests below status 400 that are logged. All others always are.
ACCESS_LOG_SAMPLE = env.float("ACCESS_LOG_SAMPLE", default=1.0)
if not 0 <= ACCESS_LOG_SAMPLE <= 1:
    raise ImproperlyConfigured("ACCESS_LOG_SAMPLE must be between 0 and 1.")
ACCESS_LOG_HEALTH = env.bool("ACCESS_LOG_HEALTH", default=False)
LOG_CLIENT_ADDRESS = env.str("LOG_CLIENT_ADDRESS", default=PLAIN)
AUDIT_CLIENT_ADDRESS = env.str("AUDIT_CLIENT_ADDRESS", default=PLAIN)
for name, value in (("LOG_CLIENT_ADDRESS", LOG_CLIENT_ADDRESS), ("AUDIT_CLIENT_ADDRESS", AUDIT_CLIENT_ADDRESS)):
    if value not in SHOWN:
        raise ImproperlyConfigured(f"{name} must be one of {', '.join(SHOWN)}.")
