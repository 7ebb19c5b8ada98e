"""Processes that must not outlive the one that started them."""

import ctypes
import sys

PR_SET_PDEATHSIG = 1  # of linux/prctl.h


def end_with_parent(number: int) -> None:
    """Let Linux send the signal `number` to this process when its parent dies, also by SIGKILL."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number)
