"""No response contains a deleted stream until it is restored: every GET operation, called by every role."""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from procrastinate.contrib.django.models import ProcrastinateJob
from rest_framework.test import APIClient

from accounts.models import User
from bans.services import appeal_ban, ban_many
from common.models import AuditEntry
from common.server.files import StoredFiles
from common.storage import StorageUnavailable
from livestreams import services
from livestreams.models import LiveStream
from livestreams.tasks import rename_thumbnail
from livestreams.thumbnails import new_name
from reminders.models import Kind, Notification
from tests.api.operations import Operation, operations
from tests.bans.people import make_ban, permitted
from tests.bans.reporting import make_report
from tests.conftest import Api, make_user
from tests.edges.feedback import gave
from tests.envelope import data_of
from tests.reminders.asking import remind
from tests.streams import STREAMS, make_stream, stream_url

TITLE = "Confidential rehearsal"
READS = [operation for operation in operations() if operation.method == "GET"]
# Parts of a response that change: times, revisions, and the address of the thumbnail.
MOVING = re.compile(
    r'"timestamp":"[^"]*"|"updatedAt":"[^"]*"|"thumbnailUrl":"[^"]*"|"cursor":"[^"]*"|"at":"[^"]*"'
    r"|(?<=\n)(DTSTAMP|LAST-MODIFIED|SEQUENCE):[^\r]*"
)

type Answers = dict[tuple[str, str, str], tuple[int, str]]


class Scene:
    """A stream with every kind of row that can refer to one, and a client for every role."""

    def __init__(self, api: Api, status: str, now: datetime) -> None:
        people = {name: make_user(name) for name in ("creator", "guest", "viewer", "banned", "muted", "bulked")}
        self.creator = people["creator"]
        thumbnail = default_storage.save(new_name(), ContentFile(b"picture"))
        self.stream = stream = make_stream(
            self.creator, "scheduled", guest=people["guest"], title=TITLE, thumbnail=thumbnail
        )
        for name in ("creator", "guest", "viewer", "banned"):
            remind(people[name], stream, minute=5)
            self.notice = Notification.objects.create(
                user=people[name], stream=stream, kind=Kind.REMINDER, minute=15, created_at=now
            )
        self.ban = make_ban(people["banned"], stream, reason=TITLE)
        make_ban(people["muted"], stream, action_type="CHAT_ONLY")
        batch = ban_many(stream.pk, [people["bulked"].pk], by=self.creator, now=now)
        appeal_ban(self.ban.pk, by=people["banned"], now=now, text=TITLE)
        make_report(people["viewer"], stream, now=now, comment=TITLE)
        if status == "cancelled_by_host":
            services.cancel_stream(stream.pk, by=self.creator, now=now)
        if status == "ended":
            services.start_stream(stream.pk, by=self.creator, now=now)
            data_of(api(people["viewer"]).post(f"{STREAMS}/join", {"liveStreamId": stream.pk}))
            services.end_stream(stream.pk, by=self.creator, now=now + timedelta(seconds=1))
            gave(people["viewer"], stream, 4, comment=TITLE, now=now)
        people |= {"moderator": permitted("moderator", "moderate"), "edge": permitted("edge", "enforce")}
        self.clients: dict[str, APIClient] = {"nobody": api()} | {name: api(user) for name, user in people.items()}
        self.people = people
        self.stream.refresh_from_db()
        self.needles = {TITLE, stream.pk, stream.channel_name, self.ban.pk, thumbnail, batch.id or "none"}

    def addresses(self, operation: Operation) -> Iterator[str]:
        """Paths of the operation with each id of this stream in its variables and its query."""
        users = [user.pk for user in self.people.values()]
        of_ban = operation.path.startswith("/api/v1/live-stream-ban/{id}")
        values = {"id": [self.ban.pk if of_ban else self.stream.pk], "userId": users, "targetUserId": users}
        values["username"] = [user.username for user in self.people.values()]
        values["channelName"] = [self.stream.channel_name]
        paths = [operation.path]
        for variable in operation.variables:
            paths = [path.replace(f"{{{variable}}}", value) for path in paths for value in values[variable]]
        named = {"liveStreamId": self.stream.pk, "creatorId": self.creator.pk, "search": TITLE[3:9], "limit": "100"}
        named["q"] = self.creator.username
        taken = {parameter["name"] for parameter in operation.query}
        required = {parameter["name"] for parameter in operation.query if parameter.get("required")}
        sets = [required | ({"limit"} & taken), taken & named.keys()]
        for path in paths:
            for names in {frozenset(each) for each in sets}:
                query = "&".join(f"{name}={named[name]}" for name in sorted(names))
                yield path + (f"?{query}" if query else "")

    def answers(self) -> Answers:
        found: Answers = {}
        for operation in READS:
            for address in self.addresses(operation):
                for name, client in self.clients.items():
                    response: Any = client.get(address)
                    found[str(operation), address, name] = response.status_code, response.content.decode()
        return found


def containing(answers: Answers, needles: set[str]) -> set[tuple[str, str, str]]:
    return {key for key, (_, body) in answers.items() if any(needle in body for needle in needles)}


def work() -> None:
    """Run the jobs that rename pictures, as a worker would."""
    for job in ProcrastinateJob.objects.filter(task_name="livestreams.tasks.rename_thumbnail").order_by("id"):
        rename_thumbnail(**job.args)


def content_of(file: str) -> bytes:
    with default_storage.open(file) as stored:
        return stored.read()


def is_served(file: str) -> bool:
    return StoredFiles(settings.MEDIA_ROOT).find(file) is not None


@pytest.mark.parametrize("status", ["scheduled", "cancelled_by_host", "ended"])
def test_a_deleted_stream_is_in_no_response_and_a_restored_one_is_in_all_again(
    status: str, api: Api, now: datetime
) -> None:
    scene = Scene(api, status, now)
    before = scene.answers()
    picture = scene.stream.thumbnail
    assert is_served(picture)
    services.delete_stream(scene.stream.pk, by=scene.creator, now=now + timedelta(seconds=2))
    work()
    during = scene.answers()
    hidden = LiveStream.all_objects.get(pk=scene.stream.pk).thumbnail

    shown = containing(during, scene.needles | {hidden})
    # The list of one's own deleted streams is the only one; it has no address of the picture.
    assert {(name, caller) for name, _, caller in shown} == {("listLiveStreamDeletedV1", "creator")}
    assert containing(during, {hidden}) == set()
    assert not is_served(picture)
    assert content_of(hidden) == b"picture", "it is kept, under a name that no response contains"

    services.restore_stream(scene.stream.pk, by=scene.creator, now=now + timedelta(seconds=3))
    after = scene.answers()

    assert after.keys() == before.keys()
    different = {
        key: (before[key], after[key])
        for key in before
        if (before[key][0], MOVING.sub("", before[key][1])) != (after[key][0], MOVING.sub("", after[key][1]))
    }
    assert different == {}
    assert containing(after, {hidden}) == containing(before, {picture}) != set()
    # The check above proves something only where the response contained the stream before.
    lists = {
        "listLiveStreamV1",
        "listLiveStreamGuestStreamsV1",
        "listLiveStreamRemindersV1",
        "listNotificationsV2",
        "listLiveStreamBanMineV1",
    }
    lists |= {"listNotificationsV1", "listLiveStreamBanAppealsV1", "listLiveStreamReportsMyReportsV1"}
    lists |= {"getLiveStreamBanByIdV1", "getLiveStreamBanByIdAppealV1", "getLiveStreamByIdV1", "listLiveStreamBanV1"}
    lists |= (
        {"listLiveStreamMyPastStreamsV1", "getLiveStreamUserByUseridPastStreamsV1"}
        if status == "ended"
        else {"getLiveStreamUserByUseridCalendarIcsV1"}
    )
    lists |= {"getLiveStreamByChannelByChannelnameV1"}
    if status == "ended":
        lists |= {"getLiveStreamByIdFeedbackV1"}
        lists |= {"listLiveStreamMyBroadcastedStreamsV1", "listLiveStreamMyWatchedStreamsV1"}
    if status == "scheduled":
        lists |= {
            "listLiveStreamUpcomingV1",
            "getLiveStreamUserByUseridUpcomingLiveStreamsV2",
            "listLiveStreamMyUpcomingV1",
        }
    assert lists <= {name for name, _, _ in containing(before, scene.needles)}


@pytest.mark.parametrize("way", ["API", "service"])
def test_the_response_to_the_deletion_does_not_contain_the_address_of_the_picture(
    way: str, api: Api, now: datetime
) -> None:
    scene = Scene(api, "scheduled", now)
    if way == "API":
        data = data_of(scene.clients["creator"].delete(stream_url(scene.stream)))
        assert data["thumbnailUrl"].endswith("/static/livestreams/default-thumbnail.webp")
    else:
        services.delete_stream(scene.stream.pk, by=None, now=now)
    work()

    stream = LiveStream.all_objects.get(pk=scene.stream.pk)
    assert stream.thumbnail != scene.stream.thumbnail
    entry = AuditEntry.objects.get(action="delete_stream")
    assert (entry.before["thumbnail"], entry.after["thumbnail"]) == (scene.stream.thumbnail, stream.thumbnail)


def test_the_name_of_a_picture_reveals_nothing_about_its_stream(creator: User) -> None:
    names = {new_name() for _ in range(1000)}

    assert len(names) == 1000
    assert all(re.fullmatch(r"thumbnails/[0-9a-f]{32}\.webp", name) for name in names)
    # An ObjectId begins with the time and ends with a counter. In these names every position is random.
    for at in range(len("thumbnails/"), len("thumbnails/") + 32):
        assert len({name[at] for name in names}) == 16


def test_deleting_a_stream_without_a_picture_defers_no_job(creator: User, now: datetime) -> None:
    services.delete_stream(make_stream(creator).pk, by=creator, now=now)

    assert not ProcrastinateJob.objects.exists()


# --- the file -------------------------------------------------------------------------------------


def test_a_picture_that_is_deleted_restored_and_deleted_has_its_last_name(creator: User, now: datetime) -> None:
    first = default_storage.save(new_name(), ContentFile(b"picture"))
    stream = make_stream(creator, thumbnail=first)
    for change in (services.delete_stream, services.restore_stream, services.delete_stream):
        change(stream.pk, by=creator, now=now)
    work()
    work()  # the second run of a job whose worker was killed before the job was marked as done

    last = LiveStream.all_objects.get(pk=stream.pk).thumbnail
    _, files = default_storage.listdir("thumbnails")
    assert [f"thumbnails/{file}" for file in files] == [last]
    assert content_of(last) == b"picture"
    locks = set(ProcrastinateJob.objects.values_list("lock", flat=True))
    assert locks == {f"thumbnail-{stream.pk}"}, "the jobs must run in order"


@pytest.mark.parametrize("fails", ["pathlib.Path.replace", "os.fsync"])
def test_an_interrupted_renaming_is_completed_by_a_retry(fails: str, db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the file has its new name, and after it. tests/storage has the same for a bucket."""
    old, new = default_storage.save(new_name(), ContentFile(b"picture")), new_name()

    def interrupted(*_: Any) -> None:
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(fails, interrupted)
        with pytest.raises(StorageUnavailable):
            rename_thumbnail(old=old, new=new)
    assert default_storage.exists(old) != default_storage.exists(new), "nothing is lost"
    rename_thumbnail(old=old, new=new)

    assert content_of(new) == b"picture"
    assert not default_storage.exists(old)
