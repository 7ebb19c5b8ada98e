"""Helpers for tests: people with names of their own, and a replica that is checked, or stands still."""

from secrets import token_hex

from accounts.models import User
from common.models import LastWrite
from common.replica.checks import CHECKER
from common.replica.last_writes import ALL
from common.replica.state import STATE
from tests.conftest import make_user
from tests.patience import wait_until
from tests.replica.pair import Pair


def person(name: str = "person") -> User:
    """A new user. Tests commit, so names are used once."""
    return make_user(f"{name}{token_hex(6)}")


def checked() -> None:
    """Check the replica until it is read for whoever has written nothing."""

    def is_read() -> bool:
        CHECKER.check()
        return STATE.report().problem is None and STATE.holds(LastWrite.objects.get(pk=ALL).lsn)

    wait_until(is_read)


def paused(pair: Pair) -> None:
    """Let the replica be read, and replay nothing that is committed from now on."""
    checked()
    pair.wait_for_replay()
    checked()
    pair.pause()
