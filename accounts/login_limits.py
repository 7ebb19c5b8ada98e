"""How many failed logins are allowed: to one client with one name, to one address, and with one name.

See docs/decisions/0010-login-limits.md.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import ceil
from typing import Any

from django.db import connection
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from accounts.devices import KNOWN_FOR, device_of
from accounts.models import KnownAddress, LoginCounter, User
from common.addresses import client_network
from common.refusals import TooMany

WINDOW = timedelta(minutes=5)
FAILURES_OF_CLIENT = 10  # with one name
FAILURES_OF_ADDRESS = 100  # with all names together
FAILURES_OF_NAME = 50  # from all clients together that have not logged in with it before
NOBODY = "0" * 24


class TooManyFailures(TooMany):
    code = "too_many_failed_logins"
    message = _("too many failed logins; wait before you try again")

    @property
    def reasons(self) -> list[str]:
        return [self.text]

    @property
    def text(self) -> str:
        """Says how long to wait, in the language that is active when it is read."""
        if self.retry_after < 60:
            counted = ngettext(
                "too many failed logins; try again in %(count)d second",
                "too many failed logins; try again in %(count)d seconds",
                self.retry_after,
            )
            return counted % {"count": self.retry_after}
        minutes = ceil(self.retry_after / 60)
        counted = ngettext(
            "too many failed logins; try again in %(count)d minute",
            "too many failed logins; try again in %(count)d minutes",
            minutes,
        )
        return counted % {"count": minutes}


@dataclass(frozen=True)
class Client:
    """Where a login comes from: the client's address ("" when unknown) and the cookies that it sent."""

    address: str = ""
    cookies: Mapping[str, str] = field(default_factory=dict)


class Limits:
    """The counters of one login attempt.

    Attempts count in the order in which their outcome is written: however many are made at once, over all processes,
    no more than the allowed number of failures learn that they failed, and a right password beyond those is refused
    like a wrong one.
    """

    def __init__(self, username: str, user: User | None, client: Client, *, now: datetime) -> None:
        self._user, self._now = user, now
        name = User.key_of(username)
        network = client_network(client.address)
        self._address = _key("address", network)
        device = device_of(user, client.cookies)
        if device:
            # Only this device has the cookie, so nobody else's failures count, at its own address neither.
            self._of_client = _key("name and device", name, device)
            self._allowed = {self._of_client: FAILURES_OF_CLIENT}
            return
        self._of_client = _key("name and address", name, network)
        self._allowed = {self._of_client: FAILURES_OF_CLIENT, self._address: FAILURES_OF_ADDRESS}
        if not self._is_known_address():
            self._allowed[_key("name", name)] = FAILURES_OF_NAME

    def refuse_if_spent(self) -> None:
        """Raises `TooManyFailures` when as many have failed as are allowed."""
        counters = LoginCounter.objects.filter(pk__in=self._allowed, window_started_at__gt=self._now - WINDOW)
        self._refuse(counter for counter in counters if counter.count >= self._allowed[bytes(counter.key)])

    def count_failure(self) -> None:
        """Raises `TooManyFailures` when as many had failed before as are allowed."""
        values: dict[str, Any] = {"keys": list(self._allowed), "now": self._now, "window": self._now - WINDOW}
        with connection.cursor() as cursor:
            cursor.execute(_COUNT_FAILURE, values)
            counters = [LoginCounter(*row) for row in cursor.fetchall()]
        self._refuse(counter for counter in counters if counter.count > self._allowed[bytes(counter.key)])

    def settle_success(self) -> None:
        """Forget this client's failures with this name, and remember its address.

        The counters of the address and of the name stay: else an attacker could reset them with a login of their own,
        or have them reset by their owner. Raises `TooManyFailures` as `refuse_if_spent`.
        """
        self.refuse_if_spent()
        LoginCounter.objects.filter(pk=self._of_client).delete()
        KnownAddress.objects.bulk_create(
            [KnownAddress(user=self._user, address=self._address, last_login_at=self._now)],
            update_conflicts=True,
            unique_fields=["user", "address"],
            update_fields=["last_login_at"],
        )

    def _is_known_address(self) -> bool:
        # Asked for unknown names too: the time must not tell who exists.
        known = KnownAddress.objects.filter(user=self._user.pk if self._user else NOBODY, address=self._address)
        return known.filter(last_login_at__gt=self._now - KNOWN_FOR).exists()

    def _refuse(self, spent: Iterable[LoginCounter]) -> None:
        ends = [counter.window_started_at + WINDOW for counter in spent]
        if ends:
            raise TooManyFailures(max(1, ceil((max(ends) - self._now).total_seconds())))


# One statement, so that failures at the same moment in several processes are all counted; in the order of the keys,
# so that two of them never wait for each other.
_COUNT_FAILURE = """
    INSERT INTO accounts_logincounter AS counters (key, window_started_at, count)
    SELECT key, %(now)s, 1 FROM unnest(%(keys)s::bytea[]) AS keys (key) ORDER BY key
    ON CONFLICT (key) DO UPDATE SET
        count = CASE WHEN counters.window_started_at > %(window)s THEN counters.count + 1 ELSE 1 END,
        window_started_at = CASE
            WHEN counters.window_started_at > %(window)s THEN counters.window_started_at
            ELSE excluded.window_started_at
        END
    RETURNING key, window_started_at, count
"""


def _key(*parts: str) -> bytes:
    """Neither names nor addresses are stored, only what tells whether two are the same."""
    return salted_hmac("accounts.login_limits", "\0".join(parts), algorithm="sha256").digest()


def purge(*, now: datetime) -> None:
    """Forget windows that are over, and addresses without a login for `KNOWN_FOR`."""
    LoginCounter.objects.filter(window_started_at__lte=now - WINDOW).delete()
    KnownAddress.objects.filter(last_login_at__lte=now - KNOWN_FOR).delete()
