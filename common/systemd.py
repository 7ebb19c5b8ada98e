"""Notifications to systemd about the state of this process (sd_notify), and its watchdog. Without systemd: nothing."""

import os
import socket
from contextlib import suppress
from time import CLOCK_MONOTONIC, clock_gettime_ns, monotonic

# Of the service manager, for this process only: see sd_notify(3) and sd_watchdog_enabled(3).
OWN_VARIABLES = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
LONGEST_WAIT = 0.5  # seconds, for a service manager whose queue is full


def notify(*assignments: str) -> None:
    """Send assignments such as `READY=1`. A service manager that does not read must not stop the service."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sending:
        sending.settimeout(LONGEST_WAIT)
        # An @ stands for the null byte of an abstract address.
        sending.sendto("\n".join(assignments).encode(), address.replace("@", "\0", 1))


def notify_reloading() -> None:
    notify("RELOADING=1", f"MONOTONIC_USEC={clock_gettime_ns(CLOCK_MONOTONIC) // 1000}")


class Watchdog:
    """Sends WATCHDOG=1 twice in the interval that systemd expects, if the unit has WatchdogSec."""

    def __init__(self) -> None:
        self._seconds = int(os.environ.get("WATCHDOG_USEC") or 0) / 1_000_000 / 2
        self._next = 0.0

    def beat(self) -> None:
        if self._seconds and monotonic() >= self._next:
            self._next = monotonic() + self._seconds
            notify("WATCHDOG=1")
