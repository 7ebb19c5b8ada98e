"""Bans of all kinds that wait for a review, for the tests of the queue."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from accounts.models import User
from bans.models import LiveStreamBan
from bans.services.appeals import appeal_ban
from livestreams.models import LiveStream
from tests.admin.conftest import join
from tests.bans.people import make_ban
from tests.conftest import make_user
from tests.streams import make_stream

MINUTE = timedelta(minutes=1)
KINDS = ("appeal", "live", "ending", "muted", "lapsed", "old")


def make_moderator(username: str = "melis", **fields: Any) -> User:
    return join(make_user(username, is_staff=True, **fields), "Moderators")


def waiting_bans(number: int, now: datetime) -> Iterator[LiveStreamBan]:
    """As many bans that wait, of all `KINDS` one after the other, each of another person."""
    live = make_stream(make_user("selin", name="Selin", surname="Öz"), "active", title="Gece sohbeti")
    later = make_stream(make_user("deniz", name="Deniz", surname="Şahin"), title="Işık ve gölge")
    for place in range(number):
        yield waiting_ban(KINDS[place % len(KINDS)], f"izleyici{place + 1}", live, later, now - place * MINUTE)


def waiting_ban(kind: str, name: str, live: LiveStream, later: LiveStream, now: datetime) -> LiveStreamBan:
    """A ban of `kind` that was made some hours before `now`."""
    person = make_user(name, name="Ece", surname="Yılmaz")
    fields: dict[str, Any] = {"reason": "spam"}
    match kind:
        case "live":
            return make_ban(person, live, now=now - 20 * MINUTE, **fields)
        case "ending":
            return make_ban(person, later, now=now - 300 * MINUTE, expires_at=now + 50 * MINUTE, **fields)
        case "muted":
            return make_ban(person, later, now=now - 300 * MINUTE, action_type="CHAT_ONLY", reason="küfür")
        case "lapsed":
            return make_ban(person, later, now=now - 300 * MINUTE, expires_at=now - 100 * MINUTE, **fields)
    ban = make_ban(person, later, now=now - 400 * MINUTE, **fields)
    if kind == "appeal":
        appeal_ban(ban.pk, by=person, now=now - 40 * MINUTE, text="Onu yazan kardeşimdi, telefonum ondaydı.")
    return ban
