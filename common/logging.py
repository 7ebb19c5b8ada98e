"""Logs: one JSON object a line, with the id of the request that it is about, and without secrets of addresses."""

import re
from collections.abc import Callable, Sequence
from typing import Any

import structlog

from common.entry_points import current_context

FIELDS = ("pid", "signal", "exit_code")  # of `extra` that become fields of their own


def add_request_id(_logger: Any, _method: str, event: dict[str, Any]) -> dict[str, Any]:
    if request_id := current_context().request_id:
        event["request_id"] = request_id
    return event


def without_secrets(prefixes: Sequence[str]) -> Callable[[Any, str, str], str]:
    """A processor for lines: replaces the rest of each path that begins with one of `prefixes`, to the next slash.

    It works on the whole line, because a path may be in the message, in any field, and in a traceback.
    """
    secrets = re.compile(rf"({'|'.join(map(re.escape, prefixes))})[^/\s\"'\\?]+")

    def processor(_logger: Any, _method: str, line: str) -> str:
        return secrets.sub(r"\1[secret]", line)

    return processor


def logging_config(*, level: str, secrets_after: Sequence[str]) -> dict[str, Any]:
    """For `settings.LOGGING`; `level` is a name of the logging module.

    `secrets_after` are the beginnings of paths that end in a secret: see `without_secrets`.
    """
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "json": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": [
                    add_request_id,
                    structlog.stdlib.add_log_level,
                    structlog.stdlib.add_logger_name,
                    structlog.stdlib.PositionalArgumentsFormatter(),
                    structlog.stdlib.ExtraAdder(allow=FIELDS),
                    structlog.processors.TimeStamper(fmt="iso", utc=True),
                ],
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    structlog.processors.format_exc_info,
                    structlog.processors.JSONRenderer(),
                    without_secrets(secrets_after),
                ],
            }
        },
        "handlers": {"console": {"class": "common.log_stream.LogStreamHandler", "formatter": "json"}},
        "loggers": {
            # Refusals are not logged, because clients get their codes. Crashes are logged where they are caught.
            "django.request": {"level": "CRITICAL"},
            # Several lines for each job, thousands of which may run in a second.
            "procrastinate": {"level": "WARNING"},
            # At DEBUG they log the headers of each call, which have the session token of a temporary key.
            "boto3": {"level": "INFO"},
            "botocore": {"level": "INFO"},
            "urllib3": {"level": "INFO"},
            # Django's development server gives this logger a handler of its own, which writes paths as they are.
            "django.server": {"level": "INFO", "handlers": ["console"], "propagate": False},
        },
        "root": {"handlers": ["console"], "level": level},
    }
