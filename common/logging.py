"""Logs: one JSON object a line, with the id of the request that it is about."""

from typing import Any

import structlog

from common.entry_points import current_context


def add_request_id(_logger: Any, _method: str, event: dict[str, Any]) -> dict[str, Any]:
    if request_id := current_context().request_id:
        event["request_id"] = request_id
    return event


def logging_config(*, level: str) -> dict[str, Any]:
    """For `settings.LOGGING`; `level` is a name of the logging module."""
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
                    structlog.processors.TimeStamper(fmt="iso", utc=True),
                ],
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    structlog.processors.format_exc_info,
                    structlog.processors.JSONRenderer(),
                ],
            }
        },
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "json"}},
        "loggers": {
            # Refusals are not logged, because clients get their codes. Crashes are logged where they are caught.
            "django.request": {"level": "CRITICAL"},
            # Several lines for each job, thousands of which may run in a second.
            "procrastinate": {"level": "WARNING"},
        },
        "root": {"handlers": ["console"], "level": level},
    }
