"""Logs: one JSON object a line, with the id of the request that it is about, and without secrets."""

import logging
import re
import sys
import threading
import traceback
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Any

import structlog

from common.entry_points import current_context
from common.log_secrets import (
    SENT,
    Masks,
    errors_in,
    message_of,
    replaced,
    secrets_of_process,
    sent_values,
)

logger = logging.getLogger(__name__)

# Of `extra` these become fields of their own.
FIELDS = (
    "pid", "signal", "exit_code", "queues", "job_id", "task", "queue", "attempt", "retry_at", "delivery_id",
    "channel", "recipients", "next_attempt_at", "reason",
)  # fmt: skip

# Of each line, never with anything that a client chose.
OWN = frozenset(["request_id", "logger", "level"])
LIBRARIES = "site-packages"

type Event = dict[str, Any]


def add_request_id(_logger: Any, _method: str, event: Event) -> Event:
    if request_id := current_context().request_id:
        event["request_id"] = request_id
    return event


class WithoutSecrets:
    """Processors that keep secrets out of arguments, texts and exceptions: see `common/log_secrets.py`."""

    def __init__(self, masks: Masks) -> None:
        self._masks = masks

    def message(self, _logger: Any, _method: str, event: Event) -> Event:
        """Format the message, and mask what the client has sent. Of this project only arguments can have any."""
        sent = sent_values(current_context().meta)
        match event.pop("positional_args", None):
            case dict() as named if named:
                event["event"] %= {name: _safe(value, sent) for name, value in named.items()}
            case tuple() as given if given:
                event["event"] %= tuple(_safe(value, sent) for value in given)
            case _ if LIBRARIES in event["_record"].pathname:
                event["event"] = replaced(event["event"], sent, SENT)
        return event

    def texts(self, _logger: Any, _method: str, event: Event) -> Event:
        """Mask all texts, and format the exception."""
        error = _error_of(event.pop("exc_info", None))
        for name, value in event.items():
            if isinstance(value, str) and name not in OWN:
                event[name] = self._masks.masked(value)
        if error is not None:
            event["exception"] = self._traceback(error)
        return event

    def _traceback(self, error: BaseException) -> str:
        """Without local variables. Lines of code are shown as they are, and messages masked."""
        sent = sent_values(current_context().meta)
        text = "".join(traceback.format_exception(error)).rstrip("\n")
        for each in errors_in(error):
            shown_of = {note: note for note in getattr(each, "__notes__", ())} | {str(each): message_of(each)}
            for message, shown in shown_of.items():
                masked = self._masks.masked(replaced(shown, sent, SENT))
                if masked != message:
                    # In a group of errors each line has a margin.
                    lines = r"\n[ |]*".join(map(re.escape, message.split("\n")))
                    text = re.sub(lines, masked.replace("\\", r"\\"), text)
        return self._masks.without_secrets(text)


def _safe(value: Any, sent: Iterable[str]) -> Any:
    if value is None or isinstance(value, int | float):
        return value
    return replaced(message_of(value) if isinstance(value, BaseException) else str(value), sent, SENT)


def _error_of(exc_info: Any) -> BaseException | None:
    match exc_info:
        case BaseException():
            return exc_info
        case (_, BaseException() as error, _):
            return error
    return None


def logging_config(*, level: str, secrets_after: Sequence[str]) -> dict[str, Any]:
    """For `settings.LOGGING`; `level` is a name of the logging module.

    `secrets_after` are the beginnings of paths that end in a secret.
    """
    safe = WithoutSecrets(Masks(secrets_after, secrets_of_process()))
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "json": {
                "()": structlog.stdlib.ProcessorFormatter,
                "use_get_message": False,
                "pass_foreign_args": True,
                "foreign_pre_chain": [
                    add_request_id,
                    structlog.stdlib.add_log_level,
                    structlog.stdlib.add_logger_name,
                    safe.message,
                    structlog.stdlib.ExtraAdder(allow=FIELDS),
                ],
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    safe.texts,
                    structlog.processors.TimeStamper(fmt="iso", utc=True),
                    structlog.processors.JSONRenderer(),
                ],
            }
        },
        "filters": {"without_jobs": {"()": WithoutJobs}},
        "handlers": {"console": {"class": "common.log_stream.LogStreamHandler", "formatter": "json"}},
        "loggers": {
            # Refusals are not logged, because clients get their codes. Crashes are logged where they are caught.
            "django.request": {"level": "CRITICAL"},
            # Several lines for each job, thousands of which may run in a second.
            "procrastinate": {"level": "WARNING"},
            "procrastinate.worker": {"filters": ["without_jobs"]},
            # At DEBUG they log the headers of each call, which have the session token of a temporary key.
            "boto3": {"level": "INFO"},
            "botocore": {"level": "INFO"},
            "urllib3": {"level": "INFO"},
            # Django's development server gives this logger a handler of its own, which writes paths as they are.
            "django.server": {"level": "INFO", "handlers": ["console"], "propagate": False},
        },
        "root": {"handlers": ["console"], "level": level},
    }


class WithoutJobs(logging.Filter):
    """Drops Procrastinate's lines about failed jobs, which have the arguments: `common/jobs/worker.py` logs its own.

    A job whose task does not exist fails before that, so its line is made here.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        if getattr(record, "action", None) != "job_error":
            return True
        job: dict[str, Any] = vars(record).get("job", {})
        record.msg, record.args = "a job failed", ()
        record.job_id, record.task, record.queue = job.get("id"), job.get("task_name"), job.get("queue")
        return bool(record.exc_info) and type(record.exc_info[1]).__name__ == "TaskNotFound"  # type: ignore[index]


def log_uncaught() -> None:
    """Log errors that end this process or a thread of it, instead of Python's tracebacks with messages as they are."""

    def of_process(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, error, trace)
        else:
            logger.critical("the process ends by an error", exc_info=error)

    def of_thread(ended: threading.ExceptHookArgs) -> None:
        logger.error("a thread ends by an error", exc_info=ended.exc_value)

    sys.excepthook = of_process
    threading.excepthook = of_thread
