"""A handler that writes log lines to standard error and never lets the service wait for its log for long.

A pipe or socket that nobody reads is full after some lines, and an ordinary handler then waits for ever, with every
thread that logs behind it. On a full disk each write fails. Here lines are dropped instead, and counted in the log as
soon as it takes lines again.
"""

import json
import logging
import os
import select
import socket
import stat
import sys
from contextlib import suppress

# Seconds that one line may wait for a reader that is slow. While none reads, later lines do not wait.
PATIENCE = 0.2
PIECE = select.PIPE_BUF  # bytes that a pipe takes whole or not at all


class LogStreamHandler(logging.StreamHandler):
    """For `logging`: lines go to `sys.stderr`, or to `stream`, if it has a file descriptor."""

    def __init__(self, stream: object = None) -> None:
        super().__init__(stream)
        self._dropped = 0
        self._is_stuck = False
        self._pipe: tuple[tuple[int, int], int] | None = None

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self.write_line(self.format(record))
        except Exception:
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name in Python
        """Python would print the arguments and the message, which may have secrets."""
        kind = type(sys.exception()).__name__
        event = {"event": "a log line could not be formatted", "level": "error", "logger": record.name, "reason": kind}
        with suppress(Exception):
            self.write_line(json.dumps(event | {"line": f"{record.filename}:{record.lineno}"}))

    def write_line(self, text: str) -> None:
        line = text + self.terminator
        try:
            descriptor = self.stream.fileno()
        except (AttributeError, ValueError, OSError):  # a stream in memory
            self.stream.write(line)
            self.flush()
            return
        if self._dropped:
            if not self._is_written(descriptor, self._notice()):
                self._dropped += 1
                return
            self._dropped = 0
        if not self._is_written(descriptor, line):
            self._dropped += 1

    def _notice(self) -> str:
        event = {"event": f"{self._dropped} log lines were dropped, because the log took none", "level": "warning"}
        return json.dumps(event) + self.terminator

    def _is_written(self, descriptor: int, line: str) -> bool:
        data = line.encode(errors="backslashreplace")
        patience = 0.0 if self._is_stuck else PATIENCE
        try:
            for begin in range(0, len(data), PIECE):
                self._write(descriptor, data[begin : begin + PIECE], patience)
        except BlockingIOError:
            self._is_stuck = True
            return False
        except OSError:  # the disk is full, or the reader is gone
            return False
        self._is_stuck = False
        return True

    def _write(self, descriptor: int, data: bytes, patience: float) -> None:
        """Raises BlockingIOError when nothing is read within `patience`."""
        with suppress(BlockingIOError):
            return self._write_now(descriptor, data)
        waiting = select.poll()
        waiting.register(descriptor, select.POLLOUT)
        waiting.poll(patience * 1000)
        return self._write_now(descriptor, data)

    def _write_now(self, descriptor: int, data: bytes) -> None:
        found = os.fstat(descriptor)
        if stat.S_ISFIFO(found.st_mode):
            os.write(self._not_blocking(descriptor, found), data)
        elif stat.S_ISSOCK(found.st_mode):
            # As under systemd, whose journal is a socket. It takes a part only if it is nearly full.
            with socket.socket(fileno=os.dup(descriptor)) as journal:
                journal.send(data, socket.MSG_DONTWAIT)
        else:
            os.write(descriptor, data)

    def _not_blocking(self, descriptor: int, found: os.stat_result) -> int:
        """Another descriptor of the same pipe, that does not block.

        Setting O_NONBLOCK on the given one would change it for all processes that share it. Where the pipe cannot be
        opened again this raises BlockingIOError as long as it takes no line; another process may then be faster.
        """
        inode = found.st_dev, found.st_ino
        if self._pipe is None or self._pipe[0] != inode:
            if self._pipe is not None:
                os.close(self._pipe[1])
                self._pipe = None
            with suppress(OSError):
                self._pipe = inode, os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        if self._pipe is not None:
            return self._pipe[1]
        waiting = select.poll()
        waiting.register(descriptor, select.POLLOUT)
        if not waiting.poll(0):
            raise BlockingIOError
        return descriptor


def write_line(text: str) -> None:
    """Write a line to standard error, for a command that must not fail because nobody takes what it writes."""
    LogStreamHandler().write_line(text)
