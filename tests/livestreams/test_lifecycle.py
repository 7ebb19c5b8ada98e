"""The services, the CHECK constraints and the source code against the lifecycle table."""

import ast
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import IntegrityError, connection, transaction

from accounts.models import User
from common.models import AuditEntry
from livestreams import services
from livestreams.diagram import lifecycle_diagram
from livestreams.models import LIFECYCLE, Action, LiveStream, Status, allowed, next_status
from livestreams.services import lifecycle
from tests.streams import make_stream

type Call = Callable[[LiveStream, datetime], Any]


def the_guest(stream: LiveStream) -> User:
    assert stream.guest is not None
    return stream.guest


def expire(stream: LiveStream, now: datetime) -> None:
    """`expire_stream` returns False where others raise, so the refusal is raised here."""
    if not services.expire_stream(stream.pk, now=now + timedelta(days=2)):
        raise services.StreamNotExpirable(stream.status)


CALLS: dict[Action, Call] = {
    Action.EDIT: lambda stream, now: services.edit_stream(
        stream.pk, by=stream.creator, now=now, changes={"title": "Another title"}
    ),
    Action.SCHEDULE: lambda stream, now: services.edit_stream(
        stream.pk, by=stream.creator, now=now, changes={"planned_start_at": now + timedelta(hours=5)}
    ),
    Action.UNSCHEDULE: lambda stream, now: services.edit_stream(
        stream.pk, by=stream.creator, now=now, changes={"planned_start_at": None, "title": "Another title"}
    ),
    Action.START: lambda stream, now: services.start_stream(stream.pk, by=stream.creator, now=now),
    Action.END: lambda stream, now: services.end_stream(stream.pk, by=stream.creator, now=now),
    Action.CANCEL_BY_HOST: lambda stream, now: services.cancel_stream(stream.pk, by=stream.creator, now=now),
    Action.CANCEL_BY_GUEST: lambda stream, now: services.cancel_stream(stream.pk, by=the_guest(stream), now=now),
    Action.EXPIRE: expire,
    Action.DELETE: lambda stream, now: services.delete_stream(stream.pk, by=stream.creator, now=now),
}


def test_every_state_and_every_action_is_covered() -> None:
    assert set(LIFECYCLE) == set(Status)
    assert set(CALLS) == set(Action)


@pytest.mark.parametrize("action", Action)
@pytest.mark.parametrize("status", Status)
def test_an_action_follows_the_lifecycle_or_changes_nothing(
    status: Status, action: Action, creator: User, guest: User, now: datetime
) -> None:
    stream = make_stream(creator, status, guest=guest, now=now - timedelta(hours=2))
    entries = AuditEntry.objects.count()
    row = LiveStream.objects.filter(pk=stream.pk).values().get()
    target = next_status(status, action)

    if target is None:
        with pytest.raises(services.REFUSALS[action]) as refusal:
            CALLS[action](stream, now)
        assert LiveStream.objects.filter(pk=stream.pk).values().get() == row
        assert AuditEntry.objects.count() == entries
        assert f"the stream is {status.label}" in str(refusal.value)
        assert all(str(verb.label) in str(refusal.value) for verb in allowed(status))
    else:
        CALLS[action](stream, now)
        changed = LiveStream.all_objects.get(pk=stream.pk)
        assert changed.status == target
        assert changed.is_deleted == (action is Action.DELETE)
        assert AuditEntry.objects.count() == entries + 1


@pytest.mark.parametrize("status", Status)
def test_every_transition_is_in_the_diagram(status: Status) -> None:
    for action, target in LIFECYCLE[status].items():
        if action not in (Action.EDIT, Action.DELETE):
            assert f"{status} --> {target}: {action}" in lifecycle_diagram()


def test_times_of_start_and_end_follow_the_order_of_the_locks(creator: User, now: datetime) -> None:
    stream = make_stream(creator, now=now - timedelta(hours=1))
    services.start_stream(stream.pk, by=creator, now=now)

    ended = services.end_stream(stream.pk, by=creator, now=now - timedelta(seconds=1))

    assert ended.ended_at == now
    assert ended.updated_at == now


def test_only_one_stream_of_a_creator_is_active(creator: User, now: datetime) -> None:
    make_stream(creator, "active")
    second = make_stream(creator)

    with pytest.raises(services.AlreadyLive):
        services.start_stream(second.pk, by=creator, now=now)
    second.refresh_from_db()
    assert second.status == Status.SCHEDULED


def test_the_violation_of_another_constraint_is_not_called_a_second_active_stream(
    creator: User, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def violated(*_: Any, **__: Any) -> None:
        raise IntegrityError("stream_times_in_order")

    stream = make_stream(creator)
    monkeypatch.setattr(lifecycle, "change_stream", violated)

    with pytest.raises(IntegrityError, match="stream_times_in_order"):
        services.start_stream(stream.pk, by=creator, now=now)


# --- only the services write the state ------------------------------------------------------------

STATE = {"status", "guest_status", "started_at", "ended_at", "deleted_at", "deleted_by", "deleted_by_id"}
WRITING_CALLS = {
    "update",
    "create",
    "bulk_create",
    "bulk_update",
    "LiveStream",
    "update_or_create",
    "get_or_create",
    "save",
}


def writes_of_state(source: str) -> list[int]:
    """Lines that assign an attribute of the state, or pass one to a call that writes rows."""
    lines = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            lines += [t.lineno for t in targets if isinstance(t, ast.Attribute) and t.attr in STATE]
        elif isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in WRITING_CALLS and any(word.arg in STATE for word in node.keywords):
                lines.append(node.lineno)
            if name == "setattr" and isinstance(node.args[1], ast.Constant) and node.args[1].value in STATE:
                lines.append(node.lineno)
    return lines


def sources() -> list[Path]:
    folders = ["accounts", "bans", "common", "config", "edges", "livestreams", "reminders"]
    return [
        path
        for folder in folders
        for path in (settings.BASE_DIR / folder).rglob("*.py")
        if "migrations" not in path.parts
    ]


def test_nothing_outside_the_services_writes_the_state_of_a_stream() -> None:
    for path in sources():
        if path.match("livestreams/services/*.py"):
            continue
        # Sessions have an `ended_at` and bans a `deleted_at`, too.
        others = path.match("accounts/services/*.py") or path.match("bans/services/*.py")
        lines = [] if others else writes_of_state(path.read_text())
        assert lines == [], f"{path}: {lines}"


@pytest.mark.parametrize(
    "source",
    [
        "stream.status = 'ended'",
        "LiveStream.objects.filter(pk=1).update(status='ended')",
        "LiveStream(status='ended')",
        "setattr(stream, 'status', 'ended')",
    ],
)
def test_the_search_for_writes_finds_each_kind(source: str) -> None:
    assert writes_of_state(source) == [1]


# --- constraints ----------------------------------------------------------------------------------

IMPOSSIBLE = {
    "a state that does not exist": ("scheduled", "status = 'paused'"),
    "scheduled without a plan": ("scheduled", "planned_start_at = NULL"),
    "planned for another century": ("scheduled", "planned_start_at = '2100-01-01T00:00:00Z'"),
    "active without a start": ("scheduled", "status = 'active'"),
    "started but still scheduled": ("scheduled", "started_at = now()"),
    "ended without an end": ("active", "status = 'ended'"),
    "an end without being ended": ("active", "ended_at = now()"),
    "an end before the start": ("ended", "ended_at = started_at - interval '1 second'"),
    "cancelled after it started": ("active", "status = 'cancelled_by_host'"),
    "active and deleted": ("active", "deleted_at = now()"),
    "deleted by somebody at no time": ("ended", "deleted_by_id = creator_id"),
    "a solo with a guest": ("scheduled", "type = 'duocrowd'"),
    "its own guest": ("scheduled", "type = 'duocrowd', guest_id = creator_id"),
    "an answer without a guest": ("scheduled", "guest_status = 'accepted'"),
    "a guest without an answer": (
        "scheduled",
        "type = 'duoself', guest_id = (SELECT max(id) FROM accounts_user WHERE id <> creator_id)",
    ),
    "an answer that does not exist": (
        "scheduled",
        "type = 'duoself', guest_id = (SELECT max(id) FROM accounts_user WHERE id <> creator_id), guest_status = 'x'",
    ),
    "a price of nothing": ("scheduled", "price = 0"),
    "a goal of more than a day": ("scheduled", "duration_goal = 1441"),
    "an id of eleven bytes": ("scheduled", "id = substring(id from 1 for 11)"),
    "a channel name twice": (
        "scheduled",
        "channel_name = (SELECT min(channel_name) FROM livestreams_livestream)",
    ),
}


@pytest.mark.parametrize(("status", "change"), IMPOSSIBLE.values(), ids=IMPOSSIBLE.keys())
def test_raw_sql_cannot_write_an_invalid_row(status: str, change: str, creator: User, stranger: User) -> None:
    services.create_stream(by=stranger, now=creator.created_at, title="0")
    stream = make_stream(creator, status)

    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"UPDATE livestreams_livestream SET {change} WHERE id = %s", [bytes.fromhex(stream.pk)])


def test_raw_sql_cannot_make_a_second_active_stream(creator: User) -> None:
    make_stream(creator, "active")
    second = make_stream(creator)

    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "UPDATE livestreams_livestream SET status = 'active', started_at = now() WHERE id = %s",
            [bytes.fromhex(second.pk)],
        )
