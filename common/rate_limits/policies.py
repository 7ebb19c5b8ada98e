"""Policies: the settings `RATE_LIMIT_…`, and their form in the headers of draft-ietf-httpapi-ratelimit-headers."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

# Headers of answers.
POLICY_HEADER = "RateLimit-Policy"
STANDING_HEADER = "RateLimit"

READ, SEARCH, WRITE = "read", "search", "write"  # calls of one user; searches also of one network without a token
ANONYMOUS, ANONYMOUS_WRITE = "anonymous", "anonymous-write"  # other calls without a token, of one network
ADDRESS = "address"  # all calls with a token from one network

NAMES = (READ, SEARCH, WRITE, ANONYMOUS, ANONYMOUS_WRITE, ADDRESS)
# Never more calls than the quota pass. A process reserves calls in PostgreSQL before it lets them pass, a hundredth of
# the quota at a time and at most MOST_RESERVED. For all other policies it counts by itself and adds its calls in steps
# of a tenth of the quota.
EXACT = frozenset([WRITE, ANONYMOUS_WRITE])
RESERVATIONS = 100
MOST_RESERVED = 10
STEPS = 10

OFF = "0"
WRITTEN = re.compile(r"(\d{1,9})/(\d{1,4})", re.ASCII)
LARGEST_QUOTA = 1_000_000
LONGEST_WINDOW = 3_600


@dataclass(frozen=True, slots=True)
class Policy:
    """At most `quota` calls in a window of `seconds`, which begins with the first call.

    `step` is how many calls a process adds to the row in PostgreSQL at once: before the first of them passes if the
    policy is exact, else after it has counted them.
    """

    name: str
    quota: int
    seconds: int
    step: int = field(init=False)
    is_exact: bool = field(init=False)

    def __post_init__(self) -> None:
        is_exact = self.name in EXACT
        step = min(self.quota // RESERVATIONS, MOST_RESERVED) if is_exact else self.quota // STEPS
        object.__setattr__(self, "is_exact", is_exact)
        object.__setattr__(self, "step", max(1, step))

    @property
    def header(self) -> str:
        return f'"{self.name}";q={self.quota};w={self.seconds}'


class Plan(NamedTuple):
    """The policies for which a call counts, and their header."""

    policies: tuple[Policy, ...]
    header: str


class Limits(dict[str, Policy]):
    """The policies by name. What calls of each class count for is computed once."""

    def __init__(self, policies: Iterable[Policy] = ()) -> None:
        super().__init__((policy.name, policy) for policy in policies)
        self._plans = {
            (kind, is_anonymous): self._planned(names_of(kind, is_anonymous=is_anonymous))
            for kind in (READ, SEARCH, WRITE)
            for is_anonymous in (False, True)
        }

    def plan(self, kind: str, *, is_anonymous: bool) -> Plan:
        return self._plans[kind, is_anonymous]

    def _planned(self, names: tuple[str, ...]) -> Plan:
        policies = tuple(self[name] for name in names if name in self)
        return Plan(policies, ", ".join(policy.header for policy in policies))


def names_of(kind: str, *, is_anonymous: bool) -> tuple[str, ...]:
    """The names of the policies that a call of this class (READ, SEARCH or WRITE) counts for."""
    if not is_anonymous:
        return kind, ADDRESS
    return {READ: (ANONYMOUS,), SEARCH: (SEARCH,), WRITE: (ANONYMOUS_WRITE,)}[kind]


def setting_of(name: str) -> str:
    """The name of the environment variable."""
    return f"RATE_LIMIT_{name.upper().replace('-', '_')}"


def policies_of(written: Mapping[str, str]) -> Limits:
    """The policies that are not off. Raises ValueError that names the setting and the rule."""
    return Limits(policy for name, text in written.items() if (policy := _policy(name, text)))


def _policy(name: str, text: str) -> Policy | None:
    if text.strip() == OFF:
        return None
    found = WRITTEN.fullmatch(text.strip())
    if found:
        quota, seconds = map(int, found.groups())
        if 1 <= quota <= LARGEST_QUOTA and 1 <= seconds <= LONGEST_WINDOW:
            return Policy(name, quota, seconds)
    raise ValueError(
        f"{setting_of(name)} must be {OFF}, for no limit, or calls/seconds, such as 600/60: "
        f"1 to {LARGEST_QUOTA} calls in 1 to {LONGEST_WINDOW} seconds. It is {text.strip()!r}."
    )
