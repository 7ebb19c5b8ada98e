"""Admin actions on bans, and services behind them, for tests."""

from datetime import timedelta
from typing import Any

from django.test import Client
from django.utils import timezone

from accounts.models import User
from bans import services
from bans.models import LiveStreamBan
from bans.services.appeals import appeal_ban
from tests.admin.pages import list_url

REASON = {"reason": "I watched it."}
USUAL = ["block_watching", "block_writing", "end_in_an_hour", "end_in_a_day", "end_in_a_week", "hold_until_lifted"]
ACTIONS = ["uphold_ban", "lift_ban", *USUAL]
BLOCK, CHAT_ONLY = LiveStreamBan.ActionType.BLOCK, LiveStreamBan.ActionType.CHAT_ONLY
HOUR = timedelta(hours=1)


def appeal(ban: LiveStreamBan, text: str = "It was my brother.") -> None:
    appeal_ban(ban.pk, by=ban.target, now=timezone.now(), text=text)


def row_of(ban: LiveStreamBan) -> Any:
    return LiveStreamBan.all_objects.values().get(pk=ban.pk)


def listed(client: Client, **query: str) -> list[str]:
    answer = client.get(list_url(LiveStreamBan), query)
    assert answer.status_code == 200
    return [row.target.username for row in answer.context["cl"].result_list]


def review(ban: LiveStreamBan, by: User, verdict: Any, **changes: Any) -> None:
    services.review_ban(ban.pk, by=by, now=timezone.now(), verdict=verdict, reason="Seen.", changes=changes)
