"""Starts server processes on sockets that it keeps, replaces those that die, and exchanges all of them for new ones.

The caller calls `tick` several times a second; nothing here blocks. A process is a fresh program, so new ones have the
code and the settings (`.env`) of the moment at which they start.
"""

import json
import logging
import os
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Any

from common.systemd import OWN_VARIABLES

logger = logging.getLogger(__name__)

# For glibc's malloc. Without these it has an arena for each thread and keeps large blocks in them: after uploads the
# memory of a process grew by 12 % within minutes, with these by 2 %.
ALLOCATOR = {"MALLOC_ARENA_MAX": "2", "MALLOC_MMAP_THRESHOLD_": "262144"}
SECONDS_UNTIL_SERVING = 60
# A process that is asked to end gets DRAIN_SECONDS and these for the calls in progress. Those of the API take five
# seconds at most; exports may take longer.
SECONDS_TO_FINISH = 60
# A process that dies is replaced at once. When the new one dies before it served for a while, the next ones wait
# longer and longer, and after so many the supervisor gives up.
SECONDS_UNTIL_STABLE = 10
SECONDS_BETWEEN_STARTS = (0.0, 0.5, 1.0, 2.0, 4.0)


class GaveUp(Exception):
    """A server process does not come up. Its output has the reason."""


class ServerProcess:
    """One process of `slot`, which has the socket of that number."""

    def __init__(
        self, command: Sequence[str], slot: int, listening: socket.socket, cwd: Path, environment: Mapping[str, str]
    ) -> None:
        self.slot = slot
        self.began = monotonic()
        self.drain_seconds: float | None = None  # known when it serves
        self.problem = ""
        self._report, theirs = os.pipe()
        os.set_blocking(self._report, False)
        listening_fd = listening.fileno()
        try:
            self._process = subprocess.Popen(
                [*command, "--socket", str(listening_fd), "--report", str(theirs)],
                cwd=cwd,
                env=ALLOCATOR | {name: value for name, value in environment.items() if name not in OWN_VARIABLES},
                pass_fds=(listening_fd, theirs),
                # In a new session, so that Ctrl-C in a terminal reaches the supervisor only.
                start_new_session=True,
            )
        finally:
            os.close(theirs)
        self.pid = self._process.pid
        self._kill_at = float("inf")
        self._is_killed = False

    @property
    def is_serving(self) -> bool:
        return self.drain_seconds is not None

    @property
    def has_ended(self) -> bool:
        return self._process.poll() is not None

    @property
    def ending(self) -> dict[str, Any]:
        """How it ended, for the log: its pid, and the name of a signal or an exit code."""
        code = self._process.returncode
        if code >= 0:
            return {"pid": self.pid, "exit_code": code}
        return {"pid": self.pid, "signal": next((known.name for known in signal.Signals if known == -code), str(-code))}

    def watch(self) -> None:
        """Read its report, and kill it when it takes too long to begin or to end."""
        with suppress(BlockingIOError):
            if self.drain_seconds is None and (line := os.read(self._report, 4096)):
                facts = json.loads(line)
                self.problem = facts.get("problem", "")
                self.drain_seconds = facts.get("drain_seconds")
                if self.is_serving:
                    logger.info("a server process serves", extra={"pid": self.pid})
        now = monotonic()
        is_late = not self.is_serving and now > self.began + SECONDS_UNTIL_SERVING
        if (is_late or now > self._kill_at) and not self._is_killed:
            what = "begin" if is_late else "end"
            logger.error("a server process did not %s in time and is killed", what, extra={"pid": self.pid})
            self.kill()

    def send(self, number: int) -> None:
        """Ask it to end by the signal `number`: see common/server/process.py."""
        self.watch()  # it may have begun to serve since
        self._kill_at = min(self._kill_at, monotonic() + (self.drain_seconds or 0) + SECONDS_TO_FINISH)
        # One that does not serve yet has no handlers, and no calls.
        self._process.send_signal(number if self.is_serving else signal.SIGKILL)

    def kill(self) -> None:
        """Kill it, and what it has started."""
        self._is_killed = True
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    def forget(self) -> None:
        """After its end: kill what it has started, and close the pipe."""
        self.kill()
        os.close(self._report)


class Supervisor:
    """Keeps one process of `application` (module:variable) running for each of `sockets`.

    Processes start in the folder `cwd`, with `environment`. `when_gone` is called with the id of each that has ended.
    """

    def __init__(
        self,
        application: str,
        sockets: Sequence[socket.socket],
        cwd: Path,
        environment: Mapping[str, str],
        when_gone: Callable[[int], None] | None = None,
    ) -> None:
        self._command = [sys.executable, "-m", "common.server.process", application]
        self._sockets = sockets
        self._cwd = cwd
        self._environment = environment
        self._when_gone = when_gone
        self._died: Counter[str] = Counter()
        self._current: dict[int, ServerProcess] = {}  # by slot
        self._new: dict[int, ServerProcess] = {}  # while they start, to replace all of `_current`
        self._old: list[ServerProcess] = []  # they end, and are not replaced
        self._starts: dict[int, float] = {}  # when a slot whose process died gets its next one
        self._deaths = dict.fromkeys(range(len(sockets)), 0)  # in a row
        self._has_served = self._is_stopping = self._shall_reload = False

    @property
    def is_serving(self) -> bool:
        """Whether each slot has a process that serves."""
        slots = self._current.values()
        return len(slots) == len(self._sockets) and all(each.is_serving for each in slots)

    @property
    def is_reloading(self) -> bool:
        return bool(self._new) or self._shall_reload

    @property
    def has_ended(self) -> bool:
        return not (self._current or self._new or self._old)

    def living(self) -> dict[int, int]:
        """The ids of the processes by slot. For other threads, as `died` is."""
        return {slot: each.pid for slot, each in tuple(self._current.items())}

    def died(self) -> dict[str, int]:
        """How many processes died: by a signal, by its name, or by themselves (`exit`)."""
        return dict(self._died)

    def start(self) -> None:
        for slot in range(len(self._sockets)):
            self._current[slot] = self._started(slot)

    def reload(self) -> None:
        """Start new processes. When all of them are ready, the present ones end. If one is not, nothing changes."""
        self._shall_reload = True

    def stop(self) -> None:
        """Let all processes finish. The sockets are closed with the last process that has them."""
        self._is_stopping, self._shall_reload = True, False
        self._starts.clear()
        for listening in self._sockets:
            listening.close()
        for each in (*self._current.values(), *self._new.values(), *self._old):
            each.send(signal.SIGTERM)

    def kill(self) -> None:
        for each in (*self._current.values(), *self._new.values(), *self._old):
            each.kill()

    def tick(self) -> None:
        """Raises GaveUp when a process does not come up."""
        for each in (*self._current.values(), *self._new.values(), *self._old):
            each.watch()
        for each in [each for each in self._old if self._is_gone(each)]:
            self._old.remove(each)
            logger.info("a server process has ended", extra=each.ending)
        self._tick_reload()
        self._tick_current()

    def _started(self, slot: int, *options: str) -> ServerProcess:
        return ServerProcess([*self._command, *options], slot, self._sockets[slot], self._cwd, self._environment)

    def _is_gone(self, process: ServerProcess) -> bool:
        if process.has_ended:
            process.forget()
            if self._when_gone is not None:
                self._when_gone(process.pid)
            return True
        return False

    # --- processes that die -----------------------------------------------------------------------

    def _tick_current(self) -> None:
        for slot, process in list(self._current.items()):
            if process.is_serving and monotonic() - process.began > SECONDS_UNTIL_STABLE:
                self._deaths[slot] = 0
            if self._is_gone(process):
                del self._current[slot]
                if self._is_stopping:
                    logger.info("a server process has ended", extra=process.ending)
                else:
                    self._replace(process)
        self._has_served = self._has_served or self.is_serving
        for slot, at in list(self._starts.items()):
            if monotonic() >= at:
                del self._starts[slot]
                self._current[slot] = self._started(slot)
                logger.warning("a server process starts for one that died", extra={"pid": self._current[slot].pid})

    def _replace(self, dead: ServerProcess) -> None:
        deaths = self._deaths[dead.slot]
        logger.error("a server process died", extra=dead.ending)
        self._died[dead.ending.get("signal", "exit")] += 1
        # What cannot start at first will not start later, and the operator waits for the error.
        if not (self._has_served or dead.is_serving) or deaths >= len(SECONDS_BETWEEN_STARTS):
            raise GaveUp
        self._starts[dead.slot] = monotonic() + SECONDS_BETWEEN_STARTS[deaths]
        self._deaths[dead.slot] += 1

    # --- new code and settings --------------------------------------------------------------------

    def _tick_reload(self) -> None:
        if self._shall_reload and not self._new and self.is_serving:
            self._shall_reload = False
            logger.warning("reloading: new server processes are starting")
            self._new = {0: self._started(0, "--replaces")}
        failed = [each for each in self._new.values() if each.has_ended]
        if failed and not self._is_stopping:
            problem = failed[0].problem or "it ended; its output is above"
            logger.error("not reloaded: a new server process is not ready: %s", problem, extra=failed[0].ending)
            self._end(self._new)
            self._new = {}
        elif self._new and all(each.is_serving for each in self._new.values()) and not self._is_stopping:
            if (slot := len(self._new)) < len(self._sockets):
                # One after the other, because the present ones need the processor.
                self._new[slot] = self._started(slot, "--replaces")
                return
            self._end(self._current)
            self._current, self._new = self._new, {}
            self._starts.clear()  # of slots whose old process died meanwhile
            logger.warning("reloaded: the new server processes serve")
        self._new = {slot: each for slot, each in self._new.items() if not self._is_gone(each)}

    def _end(self, processes: Mapping[int, ServerProcess]) -> None:
        """Let other processes take the place of these."""
        for each in processes.values():
            each.send(signal.SIGHUP)
        self._old += processes.values()
