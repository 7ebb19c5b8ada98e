"""At which stage a rotation is, from what all running processes have noted, and what is to be done next.

settled     one key, everywhere
adding      some processes accept the next key, others do not yet
accepted    all accept the next key, and sign with the old one
switching   some sign with the next key, others with the old one; each accepts both
signing     all sign with the next key, and still accept the old one, by which something may be signed or encrypted
removable   nothing needs the old key any more
removing    some still accept the old key, others do not
conflict    some sign with a key that others do not accept: calls are refused
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from django.conf import settings

from common.hooks import KEY_USES
from common.models import KeyUse
from common.secret_keys.fingerprints import KeySet
from common.secret_keys.running import NOTED_EVERY


class Stage(StrEnum):
    SETTLED = "settled"
    ADDING = "adding"
    ACCEPTED = "accepted"
    SWITCHING = "switching"
    SIGNING = "signing"
    REMOVABLE = "removable"
    REMOVING = "removing"
    CONFLICT = "conflict"


@dataclass(frozen=True)
class Member:
    """A running process, or this command. `label` is how an operator knows it."""

    label: str
    keys: KeySet


@dataclass(frozen=True)
class Standing:
    """`signs` is the fingerprint of the newest key that signs. `behind` are the members that a restart must change.

    `removable_from` is when the old keys may be removed, None if there is none or it is not known. `uses` is what was
    signed with them and is to be replaced before: it holds for longer.
    """

    name: str
    stage: Stage
    signs: str
    others: tuple[str, ...]
    behind: tuple[str, ...] = ()
    removable_from: datetime | None = None
    uses: tuple[str, ...] = ()


def standing(name: str, members: Iterable[Member], *, waiting: int, now: datetime) -> Standing:
    """`waiting` is the number of values that are still encrypted with an old key."""
    members = list(members)
    uses = {use.fingerprint: use for use in KeyUse.objects.filter(name=name)}
    first = _newest({member.keys.signs for member in members}, uses)
    union = frozenset[str]().union(*(member.keys.accepted for member in members))
    others = tuple(sorted(union - {first}))
    signing = {member.keys.signs for member in members}

    def those(are_behind: Iterable[Member]) -> tuple[str, ...]:
        counted = Counter(member.label for member in are_behind)
        return tuple(sorted(label if count == 1 else f"{label} × {count}" for label, count in counted.items()))

    if any(not signing <= member.keys.accepted for member in members):
        behind = those(member for member in members if not signing <= member.keys.accepted)
        return Standing(name, Stage.CONFLICT, first, others, behind)
    if len(signing) > 1:
        behind = those(member for member in members if member.keys.signs != first)
        return Standing(name, Stage.SWITCHING, first, others, behind)
    new = {each for each in others if each not in uses or uses[each].first_signed_at is None}
    partial = {each for each in others if any(each not in member.keys.accepted for member in members)}
    if partial & new:
        behind = those(member for member in members if not new <= member.keys.accepted)
        return Standing(name, Stage.ADDING, first, others, behind)
    if partial:
        behind = those(member for member in members if partial & member.keys.accepted)
        return Standing(name, Stage.REMOVING, first, others, behind)
    if new:
        return Standing(name, Stage.ACCEPTED, first, others)
    if not others:
        return Standing(name, Stage.SETTLED, first, others)
    signed_by = max(_last_use(uses[each]) for each in others)
    removable_from = signed_by + lifetime(name)
    lasting = _lasting_uses(name, signed_by=signed_by, used_after=max(removable_from, now))
    is_over = removable_from <= now and not waiting and not lasting
    return Standing(name, Stage.REMOVABLE if is_over else Stage.SIGNING, first, others, (), removable_from, lasting)


def lifetime(name: str) -> timedelta:
    """How long something that was signed with the key may be used."""
    longest: timedelta = settings.KEY_LIFETIMES[name]
    return longest


def _lasting_uses(name: str, *, signed_by: datetime, used_after: datetime) -> tuple[str, ...]:
    function = KEY_USES.functions().get(name)
    return tuple(function(signed_by=signed_by, used_after=used_after)) if function else ()


def _newest(signing: set[str], uses: dict[str, KeyUse]) -> str:
    """Of the keys that sign, the one that began last."""
    return max(signing, key=lambda each: (_begin(uses.get(each)), each))


def _begin(use: KeyUse | None) -> float:
    """When the key began to sign, in seconds since 1970."""
    if use is None:
        return 0.0  # no process knows it, only this command
    # Only this command signs with it yet: the next key, on a host that is not restarted.
    return use.first_signed_at.timestamp() if use.first_signed_at else float("inf")


def _last_use(use: KeyUse) -> datetime:
    # The last note may be from before the last signature.
    return (use.last_signed_at or use.first_seen_at) + NOTED_EVERY
