"""A deleted stream is in no list, read or count; its row and its audit trail stay."""

from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import User
from common.models import AuditEntry
from common.refusals import Refusal
from livestreams import services
from livestreams.models import LiveStream
from tests.conftest import Api
from tests.envelope import data_of
from tests.streams import STREAMS, make_stream, stream_url

CALLS = ["create", "start", "end", "cancel", "delete", "restore", "schedule", "unschedule"]


def perform(name: str, stream_id: str, creator: User, now: datetime) -> None:
    match name:
        case "start":
            services.start_stream(stream_id, by=creator, now=now)
        case "end":
            services.end_stream(stream_id, by=creator, now=now)
        case "cancel":
            services.cancel_stream(stream_id, by=creator, now=now)
        case "delete":
            services.delete_stream(stream_id, by=creator, now=now)
        case "restore":
            services.restore_stream(stream_id, by=creator, now=now)
        case "schedule":
            changes: dict[str, Any] = {"planned_start_at": now + timedelta(hours=1)}
            services.edit_stream(stream_id, by=creator, now=now, changes=changes)
        case "unschedule":
            services.edit_stream(stream_id, by=creator, now=now, changes={"planned_start_at": None})


def visible_ids(client: Any, creator: User, guest: User) -> set[str]:
    """The ids of the streams in all lists. Also asserts that each total equals the length of its list."""
    lists = [
        f"{STREAMS}?",
        f"{STREAMS}?creatorId={creator.pk}&",
        f"{STREAMS}?search=talk&",
        f"{STREAMS}/my-past-streams?",
        f"{STREAMS}/user/{creator.pk}/past-streams?",
        f"{STREAMS}/guest-streams?",
        f"{STREAMS}/upcoming?",
        f"{STREAMS}/user/{guest.pk}/upcoming-live-streams?",
        f"/api/v2/live-stream/user/{guest.pk}/upcoming-live-streams?",
    ]
    seen: set[str] = set()
    for address in lists:
        data = data_of(client.get(f"{address}limit=100"))
        assert data["pagination"]["totalItems"] == len(data["list"])
        seen |= {stream["id"] for stream in data["list"]}
    active = data_of(client.get(f"{STREAMS}/my-active-stream"))
    return seen | ({active["id"]} if active else set())


@pytest.mark.slow
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=st.lists(st.tuples(st.sampled_from(CALLS), st.integers(0, 5)), min_size=4, max_size=25))
def test_after_any_history_lists_show_every_living_stream_and_no_deleted_one(
    history: list[tuple[str, int]], api: Api, creator: User, guest: User
) -> None:
    LiveStream.all_objects.all().delete()
    client = api(creator)
    now = timezone.now()
    made: list[str] = []
    for name, number in history:
        if name == "create" or not made:
            made.append(make_stream(creator, guest=guest, now=now).pk)
            continue
        # Histories also contain calls that are refused.
        with suppress(Refusal):
            perform(name, made[number % len(made)], creator, now)

    deleted = set(LiveStream.all_objects.filter(deleted_at__isnull=False).values_list("pk", flat=True))
    living = set(made) - deleted
    assert visible_ids(client, creator, guest) == living
    assert set(LiveStream.objects.values_list("pk", flat=True)) == living
    assert set(LiveStream.all_objects.values_list("pk", flat=True)) == set(made)
    for pk in made:
        assert client.get(f"{STREAMS}/{pk}").status_code == (404 if pk in deleted else 200)
        assert AuditEntry.objects.filter(target_id=pk, action="create_stream").count() == 1


def test_the_base_manager_reads_and_refreshes_deleted_rows(creator: User, now: datetime) -> None:
    stream = make_stream(creator)
    services.delete_stream(stream.pk, by=creator, now=now)

    deleted = LiveStream._base_manager.get(pk=stream.pk)
    deleted.refresh_from_db()
    assert deleted.deleted_by == creator


@pytest.mark.parametrize("method", ["get", "patch", "delete"])
@pytest.mark.parametrize("action", ["", "start", "end", "cancel"])
def test_every_call_on_a_deleted_stream_is_a_404(
    method: str, action: str, api: Api, creator: User, now: datetime
) -> None:
    stream = make_stream(creator)
    services.delete_stream(stream.pk, by=creator, now=now)
    call = "post" if action else method

    sent = {"title": "x"} if call == "patch" else None

    assert getattr(api(creator), call)(stream_url(stream, action), sent).status_code == 404


def test_a_restored_stream_has_its_former_status(creator: User, now: datetime) -> None:
    stream = make_stream(creator)
    services.delete_stream(stream.pk, by=creator, now=now)

    restored = services.restore_stream(stream.pk, by=creator, now=now, reason="deleted by mistake")

    assert not restored.is_deleted
    assert LiveStream.objects.get(pk=stream.pk).status == "scheduled"
    assert AuditEntry.objects.latest("id").reason == "deleted by mistake"


def test_a_living_stream_cannot_be_restored(creator: User, now: datetime) -> None:
    with pytest.raises(services.StreamNotDeleted):
        services.restore_stream(make_stream(creator).pk, by=creator, now=now)
