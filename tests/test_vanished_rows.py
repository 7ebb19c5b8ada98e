"""Rows that are purged after they were read and before they are locked: every service refuses, and none fails."""

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db import connection, transaction
from django.utils import timezone

from accounts import services as accounts
from accounts.models import User
from bans import services as bans
from bans.models import LiveStreamBan
from edges import services as edges
from livestreams import services as streams
from livestreams.models import LiveStream
from reminders import services as reminders
from tests.conftest import make_user
from tests.patience import PATIENCE
from tests.races import at_once, until_another_waits
from tests.reminders.sending import delivery_to
from tests.streams import make_stream
from tests.vanishing import CASES, WITHOUT_LOCK, World

_LOCKING = re.compile(r'FOR NO KEY UPDATE OF "(\w+)"')


def vanish(execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any) -> Any:
    """Empty each table just before its rows are locked."""
    if locking := _LOCKING.search(str(sql)):
        execute(f'DELETE FROM "{locking[1]}"', None, False, context)  # noqa: FBT003
    return execute(sql, params, many, context)


@pytest.fixture
def world(creator: User, viewer: User, moderator: User, settings: Any) -> World:
    settings.NOTIFICATION_CHANNELS = {"webhook": "reminders.channels.webhook.WebhookChannel"}
    settings.WEBHOOK_URL = "http://127.0.0.1:9/"
    now = timezone.now()
    reader = make_user("reader")
    delivery = delivery_to(reader, now=now)
    stream = make_stream(creator, now=now)
    batch = bans.ban_many(stream.pk, [viewer.pk], by=creator, now=now)
    ban = LiveStreamBan.objects.get(batch_id=batch.id)
    return World(now, creator, viewer, moderator, stream, ban, delivery)


TAKES_A_ROW = re.compile(r"(\w+_id|user|stream|ban|by)")


@pytest.mark.parametrize("name", CASES)
def test_a_row_that_is_purged_before_its_lock_is_missing(name: str, world: World) -> None:
    call, expected = CASES[name]
    with transaction.atomic():
        with connection.execute_wrapper(vanish):
            if isinstance(expected, type):
                with pytest.raises(expected):
                    call(world)
            else:
                assert call(world) == expected
        transaction.set_rollback(True)


def test_every_service_that_takes_a_row_is_tested() -> None:
    found = set()
    modules = {"bans": bans, "edges": edges, "livestreams": streams, "reminders": reminders, "accounts": accounts}
    for app, module in modules.items():
        names = getattr(module, "__all__", None) or [name for name in vars(module) if not name.startswith("_")]
        for name in names:
            service = getattr(module, name)
            if not inspect.isfunction(service) or not service.__module__.startswith(module.__name__):
                continue
            if any(TAKES_A_ROW.fullmatch(parameter) for parameter in inspect.signature(service).parameters):
                found.add(f"{app}.{name}")
    creating = {"livestreams.create_stream", "edges.rotate_join_key", "accounts.create_user"}
    by_name = {"accounts.log_in"}
    assert found - creating == CASES.keys() - by_name | WITHOUT_LOCK


def test_no_service_gets_a_row_that_may_be_gone() -> None:
    """`get` raises DoesNotExist, which is answered with 500; `locked` raises a refusal."""
    sources = [
        path
        for app in ("accounts", "bans", "edges", "livestreams", "reminders")
        for path in [*Path(django_settings.BASE_DIR, app).glob("services/*.py"), *Path(app).glob("services.py")]
    ]
    assert len(sources) > 15
    for path in sources:
        assert not re.search(r"(objects|for_update\(.*\))\.get\(", path.read_text(encoding="utf-8")), path


# --- with threads ------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", ["appeal_ban", "lift_ban", "change_ban", "review_ban", "undo_batch"])
def test_a_call_that_waits_for_a_ban_that_is_purged_is_refused(name: str) -> None:
    creator, viewer, now = make_user("creator"), make_user("viewer"), timezone.now()
    stream = make_stream(creator)
    batch = bans.ban_many(stream.pk, [viewer.pk], by=creator, now=now)
    ban = LiveStreamBan.objects.get(batch_id=batch.id)
    calls: dict[str, Callable[[], Any]] = {
        "appeal_ban": lambda: bans.appeal_ban(ban.pk, by=viewer, now=now, text="no"),
        "lift_ban": lambda: bans.lift_ban(ban.pk, by=creator, now=now),
        "change_ban": lambda: bans.change_ban(ban.pk, by=creator, now=now, changes={"reason": "x"}),
        "review_ban": lambda: bans.review_ban(
            ban.pk, by=creator, now=now, verdict=LiveStreamBan.Review.UPHELD, reason="x"
        ),
        "undo_batch": lambda: bans.undo_batch(batch.id or "", by=creator, now=now),
    }
    held = Event()

    def run(number: int) -> Any:
        if number == 0:
            with transaction.atomic():
                streams.take_stream_lock(stream.pk)
                LiveStreamBan.all_objects.for_update().filter(pk=ban.pk).first()
                held.set()
                until_another_waits()
                LiveStreamBan.all_objects.filter(pk=ban.pk).delete()
                LiveStream.all_objects.filter(pk=stream.pk).delete()
            return None
        assert held.wait(PATIENCE)
        try:
            return calls[name]()
        except Exception as error:  # the assertion below names the type
            return type(error)

    _, answer = at_once(2, run)
    assert answer is (bans.BatchMissing if name == "undo_batch" else bans.BanMissing)
