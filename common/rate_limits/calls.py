"""Which limits a call counts for, and what its answer says about them."""

import time
from collections.abc import Mapping
from typing import Any, Protocol

from django.conf import settings
from django.http import HttpRequest, QueryDict
from django.http.response import HttpResponseBase

from common.addresses import client_address, client_network
from common.metrics import Counter
from common.rate_limits.counters import Standing, count
from common.rate_limits.policies import ADDRESS, NAMES, POLICY_HEADER, READ, SEARCH, STANDING_HEADER, WRITE, Limits
from common.refusals import TooMany

STANDING = "common.rate_limits"  # in the environ
SAFE = frozenset(["GET", "HEAD", "OPTIONS"])

REFUSED = Counter(
    "rate_limited_total", "Calls that were refused by a limit", ["policy"], known=[(name,) for name in NAMES]
)

# How long a process relies on what it knows about a permission, and for how many users.
PERMISSION_SECONDS = 60.0
MOST_PERMISSIONS = 10_000


class RateLimited(TooMany):
    code = "rate_limited"


class Caller(Protocol):
    """The part of a user that this module uses."""

    pk: Any
    is_superuser: bool

    def has_perm(self, perm: str) -> bool: ...


def class_of(method: str, query_string: str, *, is_expensive: bool) -> str:
    """READ, SEARCH or WRITE. `is_expensive` says that the operation is a search whatever its query is."""
    if method not in SAFE:
        return WRITE
    # Keys may be percent-encoded.
    may_search = SEARCH in query_string or "%" in query_string
    return SEARCH if is_expensive or (may_search and SEARCH in QueryDict(query_string)) else READ


def count_call(request: HttpRequest, caller: Caller | None, *, is_expensive: bool) -> None:
    """Count a call of this user, or of a network if it is anonymous. Raises RateLimited above a limit."""
    limits: Limits = settings.RATE_LIMITS
    if not limits:
        return
    now = time.monotonic()
    if caller is not None and _unlimited.get(caller.pk, 0.0) > now:
        return
    meta = request.META
    kind = class_of(str(request.method), meta.get("QUERY_STRING", ""), is_expensive=is_expensive)
    plan = limits.plan(kind, is_anonymous=caller is None)
    nearest: Standing | None = None
    for policy in plan.policies:
        who = str(caller.pk) if caller is not None and policy.name != ADDRESS else network_of(meta)
        standing = count(policy, who, now)
        # Asked seldom: at a refusal, and each time that a process adds the calls that it has counted.
        if standing.is_shared and caller is not None and _is_unlimited(caller, standing):
            meta.pop(STANDING, None)
            return
        if nearest is None or standing.remain < nearest.remain:
            nearest = standing
            meta[STANDING] = plan.header, nearest
        if standing.is_spent:
            REFUSED.inc(standing.policy.name)
            raise RateLimited(standing.seconds)


def announced[Response: HttpResponseBase](response: Response, request: HttpRequest) -> Response:
    """`response` with the headers about the limits for which its call counts."""
    if (found := request.META.get(STANDING)) is not None:
        headers = response.headers
        headers[POLICY_HEADER], nearest = found
        headers[STANDING_HEADER] = f'"{nearest.policy.name}";r={nearest.remain};t={nearest.seconds}'
    return response


# --- networks -------------------------------------------------------------------------------------


def network_of(meta: Mapping[str, Any]) -> str:
    """What counts as one client: an IPv4 address, or the /64 of an IPv6 address. Forged headers are not used."""
    return client_network(client_address(meta))


# --- service accounts -----------------------------------------------------------------------------

# When what is known about a user ends, on the monotonic clock. A negative time: the user is limited until then.
_unlimited: dict[Any, float] = {}


def _is_unlimited(caller: Caller, standing: Standing) -> bool:
    """Whether the caller has `settings.UNLIMITED_PERMISSION`, as media servers and chat servers do."""
    if not standing.is_spent and standing.policy.is_exact:
        return False  # every change, for which the question would cost two statements
    now = time.monotonic()
    known = _unlimited.get(caller.pk, 0.0)
    if abs(known) > now:
        return known > 0
    # Superusers have every permission, but they are people.
    is_unlimited = not caller.is_superuser and caller.has_perm(settings.UNLIMITED_PERMISSION)
    if len(_unlimited) >= MOST_PERMISSIONS:
        _unlimited.clear()
    _unlimited[caller.pk] = (now + PERMISSION_SECONDS) * (1 if is_unlimited else -1)
    return is_unlimited
