"""POST /api/v1/live-stream/{id}/restore, and GET /api/v1/live-stream/deleted"""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone

from accounts.models import User
from bans.services import appeal_ban
from common.models import AuditEntry
from common.times import wire_time
from livestreams import services
from livestreams.models import LiveStream, Status
from tests.bans.people import make_ban
from tests.conftest import Api, make_user
from tests.envelope import assert_refused, data_of
from tests.races import at_once
from tests.streams import STREAMS, make_stream, stream_url

DELETED = f"{STREAMS}/deleted"
SECOND = timedelta(seconds=1)


def deleted(creator: User, status: str = "scheduled", *, by: User | None = None, **given: Any) -> LiveStream:
    stream = make_stream(creator, status, **given)
    return services.delete_stream(stream.pk, by=by or creator, now=timezone.now())


def restore(api: Api, user: User | None, stream: LiveStream) -> Any:
    return api(user).post(stream_url(stream, "restore"))


# --- restoring ------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [status for status in Status if status != Status.ACTIVE])
def test_the_creator_restores_a_stream_as_it_was(status: Status, api: Api, creator: User, viewer: User) -> None:
    stream = make_stream(creator, status)
    before = data_of(api(creator).get(stream_url(stream)))
    services.delete_stream(stream.pk, by=creator, now=timezone.now())

    data = data_of(restore(api, creator, stream))

    assert data | {"updatedAt": None} == before | {"updatedAt": None}
    assert data_of(api(viewer).get(stream_url(stream)))["id"] == stream.pk
    assert data_of(api(creator).get(DELETED))["list"] == []
    entry = AuditEntry.objects.filter(action="restore_stream").get()
    assert (entry.actor_id, entry.entry_point) == (creator.pk, "api")


def test_a_stream_that_is_not_deleted_is_refused(api: Api, creator: User, stranger: User) -> None:
    stream = make_stream(creator)

    assert_refused(restore(api, creator, stream), 409, "stream_not_deleted")
    assert_refused(restore(api, stranger, stream), 403, "not_the_creator")
    assert_refused(restore(api, None, stream), 401, "authentication_required")


def test_for_everybody_else_a_deleted_stream_does_not_exist(
    api: Api, creator: User, guest: User, moderator: User
) -> None:
    stream = deleted(creator, guest=guest, answer="accepted")

    for other in (guest, moderator, make_user("root", is_superuser=True)):
        assert_refused(restore(api, other, stream), 404, "stream_not_found")
    assert LiveStream.all_objects.get(pk=stream.pk).is_deleted


def test_a_creator_cannot_undo_the_deletion_by_a_moderator(api: Api, creator: User, moderator: User) -> None:
    stream = deleted(creator, by=moderator)

    assert_refused(
        restore(api, creator, stream),
        403,
        "deleted_by_others",
        "somebody else deleted this stream; ask a moderator to restore it",
    )
    assert LiveStream.all_objects.get(pk=stream.pk).is_deleted


def test_a_stream_can_be_restored_until_it_may_be_purged(api: Api, creator: User) -> None:
    for age, found in ((settings.DELETED_RETENTION, False), (settings.DELETED_RETENTION - 60 * SECOND, True)):
        stream = deleted(creator)
        LiveStream.all_objects.filter(pk=stream.pk).update(deleted_at=timezone.now() - age)

        assert (len(data_of(api(creator).get(DELETED))["list"]) == 1) is found
        response = restore(api, creator, stream)

        assert response.status_code == (200 if found else 404)


def test_a_restored_stream_can_be_started_unless_another_is_active(api: Api, creator: User) -> None:
    stream = deleted(creator)
    make_stream(creator, Status.ACTIVE)

    data_of(restore(api, creator, stream))

    assert_refused(api(creator).post(stream_url(stream, "start")), 409, "already_live")


def test_bans_and_appeals_are_there_again(api: Api, creator: User, viewer: User, now: datetime) -> None:
    stream = make_stream(creator)
    ban = make_ban(viewer, stream)
    appeal_ban(ban.pk, by=viewer, now=now, text="It was not me.")
    services.delete_stream(stream.pk, by=creator, now=timezone.now())

    data_of(restore(api, creator, stream))

    assert_refused(api(viewer).get(stream_url(stream)), 403, "banned")
    assert data_of(api(viewer).get(f"/api/v1/live-stream-ban/{ban.pk}/appeal"))["text"] == "It was not me."


@pytest.mark.django_db(transaction=True)
def test_of_many_that_restore_at_once_one_succeeds(api: Api, creator: User) -> None:
    stream = deleted(creator)
    clients = [api(creator) for _ in range(4)]

    answers = at_once(4, lambda number: clients[number].post(stream_url(stream, "restore")).status_code)

    assert sorted(answers) == [200, 409, 409, 409]
    assert AuditEntry.objects.filter(action="restore_stream").count() == 1


# --- the list -------------------------------------------------------------------------------------


def test_the_creator_sees_deleted_streams_with_the_time_of_their_removal(
    api: Api, creator: User, stranger: User, moderator: User
) -> None:
    make_stream(creator)
    first, second = deleted(creator), deleted(creator, by=moderator)
    deleted(stranger)

    page = data_of(api(creator).get(DELETED))

    assert [item["id"] for item in page["list"]] == [second.pk, first.pk]
    assert [item["deletedBy"] for item in page["list"]] == [moderator.pk, creator.pk]
    assert page["pagination"]["totalItems"] == 2
    for item, stream in zip(page["list"], (second, first), strict=True):
        assert stream.deleted_at
        assert item["deletedAt"] == wire_time(stream.deleted_at)
        assert item["purgeAt"] == wire_time(stream.deleted_at + settings.DELETED_RETENTION)
        assert item["role"] == "host"
        assert "default-thumbnail" in item["thumbnailUrl"]


def test_the_list_needs_a_login_and_is_paged(api: Api, creator: User) -> None:
    streams = [deleted(creator) for _ in range(3)]
    client: Any = api(creator)

    first = client.get(DELETED, {"limit": 2})
    rest = client.get(DELETED, {"limit": 2, "after": first.headers["X-Next-Cursor"]})

    assert [item["id"] for item in data_of(first)["list"]] == [streams[2].pk, streams[1].pk]
    assert [item["id"] for item in data_of(rest)["list"]] == [streams[0].pk]
    assert_refused(api().get(DELETED), 401, "authentication_required")
    assert_refused(client.get(DELETED, {"page": 0}), 400, "validation_failed")
