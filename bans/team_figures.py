"""Figures of moderators: what each has decided lately, how often that was overturned, and how long bans waited for it.

Two statements. The first reads the decisions that stand, from an index of reviewed bans by time; the second the rows of
the audit trail that replaced a decision, of which there are few.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from statistics import median
from typing import Any

from django.db import connection

from accounts.models import User
from bans.models import LiveStreamBan

Review = LiveStreamBan.Review

DAY, WEEK, MONTH = timedelta(days=1), timedelta(days=7), timedelta(days=30)
PERIODS = (DAY, WEEK, MONTH)
MOST_DECISIONS = 30_000  # the newest ones; of an installation with more, the figures are those of a shorter time
MOST_OVERTURNED = 3_000

_STANDING = """
    WITH decided AS MATERIALIZED (
        SELECT reviewed_by_id, review, reviewed_at, created_at FROM bans_livestreamban
        WHERE reviewed_at > %(month)s ORDER BY reviewed_at DESC LIMIT %(most)s
    )
    SELECT reviewed_by_id, review, count(*), count(*) FILTER (WHERE reviewed_at > %(week)s),
        count(*) FILTER (WHERE reviewed_at > %(day)s), min(reviewed_at),
        array_agg(extract(epoch FROM reviewed_at - created_at)::bigint)
    FROM decided GROUP BY reviewed_by_id, review
"""
# Each row names the reviewer before, if it was somebody else. Pairs are compared so that the index by action is used.
_OVERTURNED = """
    SELECT before ->> 'reviewed_by_id', coalesce(before ->> 'review', after ->> 'review'), before ->> 'reviewed_at'
    FROM unnest(ARRAY['overrule_review', 'undo_review']) AS sought (action), LATERAL (
        SELECT before, after, actor_id FROM common_auditentry entry
        WHERE (entry.action, entry.id) BETWEEN (sought.action, 0) AND (sought.action, %(last)s) AND entry.at > %(month)s
        ORDER BY entry.action DESC, entry.id DESC LIMIT %(most)s
    ) AS found
    WHERE before ->> 'reviewed_by_id' IS NOT NULL AND before ->> 'reviewed_by_id' <> encode(actor_id, 'hex')
        AND (before ->> 'reviewed_at')::timestamptz > %(month)s
"""


@dataclass
class Figures:
    """Of one moderator. Decisions include those that others have replaced."""

    moderator: User
    decisions: dict[timedelta, int] = field(default_factory=lambda: dict.fromkeys(PERIODS, 0))
    by_verdict: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    overturned: int = 0
    median_seconds: int | None = None

    @property
    def overturned_share(self) -> float:
        """From 0 to 1, of the decisions of the longest period."""
        total = self.decisions[MONTH]
        return self.overturned / total if total else 0.0


@dataclass(frozen=True)
class Team:
    """`since` is when the oldest decision was made, if there are more than were read; else None."""

    figures: list[Figures]
    since: datetime | None


def team_figures(*, now: datetime) -> Team:
    """Everybody who has decided in the last 30 days, those with most decisions first."""
    given: dict[str, Any] = {"day": now - DAY, "week": now - WEEK, "month": now - MONTH, "most": MOST_DECISIONS}
    with connection.cursor() as cursor:
        cursor.execute(_STANDING, given)
        standing = cursor.fetchall()
        cursor.execute(_OVERTURNED, given | {"most": MOST_OVERTURNED, "last": 2**63 - 1})
        overturned = cursor.fetchall()
    ids = {bytes(row[0]).hex() for row in standing} | {row[0] for row in overturned}
    people = User.objects.in_bulk(ids)
    found = {pk: Figures(person) for pk, person in people.items()}
    waits: dict[str, list[int]] = defaultdict(list)
    for reviewer, review, month, week, day, _, seconds in standing:
        pk = bytes(reviewer).hex()
        _add(found[pk], review, {MONTH: month, WEEK: week, DAY: day})
        waits[pk] += seconds
    for pk, review, decided in overturned:
        if pk in found:  # a person can be removed, and the trail keeps the id
            age = now - datetime.fromisoformat(decided)
            _add(found[pk], review, {period: int(age < period) for period in PERIODS})
            found[pk].overturned += 1
    for pk, seconds in waits.items():
        found[pk].median_seconds = int(median(seconds))
    is_cut = sum(row[2] for row in standing) >= MOST_DECISIONS
    ordered = sorted(found.values(), key=lambda each: (-each.decisions[MONTH], each.moderator.username_key))
    return Team(ordered, min(row[5] for row in standing) if is_cut else None)


def _add(figures: Figures, review: str, counts: dict[timedelta, int]) -> None:
    for period, count in counts.items():
        figures.decisions[period] += count
    figures.by_verdict[review] += counts[MONTH]
