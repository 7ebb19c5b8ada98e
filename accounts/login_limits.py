"""Limits on failed logins: for one client with one username, for one address, and for one username.

See docs/decisions/0010-login-limits.md.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import ceil
from typing import Any

from django.conf import settings
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
    """The counters that limit one login attempt.

    They are checked before the password is, and again when the result is stored. So of any number of concurrent
    attempts, in all processes, at most the allowed number are answered as failed logins. Beyond the limit a right
    password is refused like a wrong one.
    """

    def __init__(self, username: str, user: User | None, client: Client, *, now: datetime) -> None:
        self._user, self._now = user, now
        name = User.key_of(username)
        self._network = network = client_network(client.address)
        self._address = _key("address", network)
        device = device_of(user, client.cookies)
        if device:
            # Only this device has the cookie, so failures of others do not count, not even those from its address.
            self._of_client = _key("name and device", name, device)
            self._allowed = {self._of_client: FAILURES_OF_CLIENT}
            return
        self._of_client = _key("name and address", name, network)
        self._allowed = {self._of_client: FAILURES_OF_CLIENT, self._address: FAILURES_OF_ADDRESS}
        if not self._is_known_address():
            self._allowed[_key("name", name)] = FAILURES_OF_NAME

    def refuse_if_spent(self) -> None:
        """Raises `TooManyFailures` when any counter has reached its limit."""
        counters = LoginCounter.objects.filter(pk__in=self._allowed, window_started_at__gt=self._now - WINDOW)
        self._refuse(counter for counter in counters if counter.count >= self._allowed[bytes(counter.key)])

    def count_failure(self) -> None:
        """Raises `TooManyFailures` when any counter had reached its limit before."""
        values: dict[str, Any] = {"keys": list(self._allowed), "now": self._now, "window": self._now - WINDOW}
        with connection.cursor() as cursor:
            cursor.execute(_COUNT_FAILURE, values)
            counters = [LoginCounter(*row) for row in cursor.fetchall()]
        self._refuse(counter for counter in counters if counter.count > self._allowed[bytes(counter.key)])

    def settle_success(self) -> None:
        """Delete the counter of this client with this username, and store its address as known.

        The counters of the address and of the username stay. Otherwise a login of the attacker to another account, or
        one of the account's owner, would reset them. Raises `TooManyFailures` as `refuse_if_spent` does.
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
        # The query runs for unknown usernames too, so that response times do not reveal which exist.
        addresses = _keys("address", self._network)
        known = KnownAddress.objects.filter(user=self._user.pk if self._user else NOBODY, address__in=addresses)
        return known.filter(last_login_at__gt=self._now - KNOWN_FOR).exists()

    def _refuse(self, spent: Iterable[LoginCounter]) -> None:
        ends = [counter.window_started_at + WINDOW for counter in spent]
        if ends:
            raise TooManyFailures(max(1, ceil((max(ends) - self._now).total_seconds())))


# One statement, so that concurrent failures in several processes are all counted. It locks rows in the order of their
# keys, so that two of them cannot deadlock.
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
    """A keyed hash, by which equal values are recognised. Usernames and addresses themselves are not stored."""
    return _keys(*parts)[0]


def _keys(*parts: str) -> list[bytes]:
    """The same, and what it was under each of SECRET_KEY_FALLBACKS."""
    return [
        salted_hmac("accounts.login_limits", "\0".join(parts), secret=secret, algorithm="sha256").digest()
        for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    ]
