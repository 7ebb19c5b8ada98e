"""Every list of the API in every order, with rows to page through and changes to make between two pages."""

from contextlib import suppress
from datetime import datetime, timedelta
from random import Random
from typing import Any

from django.utils import timezone

from accounts.models import User
from bans.models import LiveStreamBan
from bans.services import change_ban, lift_ban
from common.refusals import Refusal
from edges.models import CountingPass, Participant, ViewerCount
from edges.services import LIVE, admit
from livestreams import services
from livestreams.models import LiveStream, Status
from livestreams.reads import STREAMS, UPCOMING
from reminders.models import Kind, Notification, Reminder
from reminders.services import mark_notification, remove_reminder
from tests.bans.people import BANS as BANS_URL
from tests.bans.people import make_ban
from tests.conftest import make_user
from tests.reminders.asking import MINE, NOTIFICATIONS, remind
from tests.streams import STREAMS as STREAMS_URL
from tests.streams import make_stream

type Key = Any
type Keys = dict[str, tuple[Key, str]]

NOWHERE: tuple[Key, str] = (None, "")  # of rows whose position never changes


class World:
    """Rows of one list, which `caller` reads. Only a few different times are used, so that many sort keys are equal."""

    has_directions = True  # whether the list takes `sortOrder`

    def __init__(self, random: Random) -> None:
        self.random = random
        self.caller = make_user("caller")
        self.base = timezone.now()
        self.count = 0

    def moment(self) -> datetime:
        return self.base + timedelta(minutes=self.random.randrange(6), microseconds=self.random.randrange(2))

    def person(self) -> User:
        self.count += 1
        return make_user(f"person{self.count}")

    def add(self) -> object:
        raise NotImplementedError

    def change(self, target: str) -> object:
        """Change the row with the id `target`. Raises a Refusal when its state does not allow the change."""
        raise NotImplementedError

    def keys(self, sort: str, descending: bool) -> Keys:
        """The sort key of each row. Empty when keys never change."""
        return {}

    def address(self) -> str:
        raise NotImplementedError

    def add_or_change(self, target: str) -> None:
        with suppress(Refusal):
            self.add() if self.random.randrange(4) == 0 else self.change(target)


class Streams(World):
    statuses: tuple[str, ...] = (
        "scheduled",
        "scheduled",
        "scheduled",
        "preparing",
        "active",
        "ended",
        "cancelled_by_host",
    )
    orders: Any = STREAMS

    def address(self) -> str:
        return STREAMS_URL

    def add(self) -> object:
        values: dict[str, Any] = {"duration_goal": self.random.choice([None, 30, 60])}
        status = self.random.choice(self.statuses)
        if status == "scheduled":
            values["planned_start_at"] = self.moment() + timedelta(hours=self.random.randrange(3))
        return make_stream(self.person(), status, now=self.moment(), guest=self.caller, answer="accepted", **values)

    def change(self, target: str) -> object:
        stream = LiveStream.all_objects.get(pk=target)
        by, now, pick = stream.creator, self.moment() + timedelta(minutes=5), self.random.choice
        action = pick(
            ["rename", "move", "move", "unplan", "goal", "start", "start", "end", "cancel", "delete", "restore"]
        )
        changes: dict[str, dict[str, Any]] = {
            "rename": {"title": f"Renamed {self.random.random()}"},
            "move": {"planned_start_at": self.moment() + timedelta(hours=pick(range(-3, 4)))},
            "unplan": {"planned_start_at": None},
            "goal": {"duration_goal": pick([None, 15, 90])},
        }
        match action:
            case "start":
                return services.start_stream(target, by=by, now=now)
            case "end":
                return services.end_stream(target, by=by, now=now)
            case "cancel":
                return services.cancel_stream(target, by=by, now=now)
            case "delete":
                return services.delete_stream(target, by=by, now=now)
            case "restore":
                return services.restore_stream(target, by=by, now=now)
        return services.edit_stream(target, by=by, now=now, changes=changes[action])

    def keys(self, sort: str, descending: bool) -> Keys:
        rows = LiveStream.all_objects.values_list("pk", self.orders.orders[sort].key)
        # Without a value they come last, so they rank lowest where the highest come first, and else highest.
        return {pk: (((key is not None) is descending, key or 0), pk) for pk, key in rows}


class Guested(Streams):
    def address(self) -> str:
        return f"{STREAMS_URL}/guest-streams"


class Upcoming(Streams):
    statuses = ("scheduled", "scheduled", "preparing", "active")
    orders = UPCOMING

    def address(self) -> str:
        return f"{STREAMS_URL}/upcoming"


class UpcomingOfUser(Upcoming):
    def address(self) -> str:
        return f"{STREAMS_URL}/user/{self.caller.pk}/upcoming-live-streams"


class UpcomingOfUserInMinutes(Upcoming):
    def address(self) -> str:
        return f"/api/v2/live-stream/user/{self.caller.pk}/upcoming-live-streams"


class MyUpcoming(Upcoming):
    def address(self) -> str:
        return f"{STREAMS_URL}/my-upcoming"


class LiveNow(World):
    """Active streams by their numbers of viewers, which the changes set as a pass of counting would."""

    has_directions = False

    def __init__(self, random: Random) -> None:
        super().__init__(random)
        # No pass is due while the list is read.
        CountingPass.objects.create(name=LIVE.name, begun_at=self.base, seconds=1e6)

    def address(self) -> str:
        return f"{STREAMS_URL}/whats-live-now"

    def add(self) -> object:
        stream = make_stream(self.person(), Status.ACTIVE, now=self.moment())
        return self.count_again(stream.pk)

    def count_again(self, target: str) -> object:
        return ViewerCount.objects.filter(stream=target).update(viewers=self.random.randrange(4))

    def change(self, target: str) -> object:
        if self.random.randrange(3):
            return self.count_again(target)
        stream = LiveStream.objects.select_related("creator").get(pk=target)
        return services.end_stream(target, by=stream.creator, now=timezone.now())

    def keys(self, sort: str, descending: bool) -> Keys:
        if sort == "viewers":
            return {pk: (viewers, pk) for pk, viewers in ViewerCount.objects.values_list("stream_id", "viewers")}
        started = LiveStream.objects.filter(started_at__isnull=False).values_list("pk", "started_at")
        return {pk: (at, pk) for pk, at in started}


class Past(World):
    """An ended stream can only be deleted and restored."""

    def address(self) -> str:
        return f"{STREAMS_URL}/my-past-streams"

    def add(self) -> object:
        return make_stream(self.caller, "ended", now=self.moment())

    def change(self, target: str) -> object:
        change = self.random.choice([services.delete_stream, services.restore_stream])
        return change(target, by=self.caller, now=timezone.now())


class PastOfUser(Past):
    def address(self) -> str:
        return f"{STREAMS_URL}/user/{self.caller.pk}/past-streams"


class Broadcasted(Past):
    def address(self) -> str:
        return f"{STREAMS_URL}/my-broadcasted-streams"


class Watched(Past):
    def address(self) -> str:
        return f"{STREAMS_URL}/my-watched-streams"

    def add(self) -> object:
        stream = make_stream(self.person(), "ended", now=self.moment())
        return admit(self.caller, stream.pk, status="active", role="audience", restriction=None, now=self.moment())


class Deleted(Past):
    """Each restoration and each deletion moves a stream out of the list and to its begin."""

    def address(self) -> str:
        return f"{STREAMS_URL}/deleted"

    def add(self) -> object:
        stream = make_stream(self.caller, "ended", now=self.base - timedelta(hours=1))
        return services.delete_stream(stream.pk, by=self.caller, now=self.moment() - timedelta(minutes=30))

    def keys(self, sort: str, descending: bool) -> Keys:
        rows = LiveStream.all_objects.filter(deleted_at__isnull=False).values_list("pk", "deleted_at")
        return {pk: (at, pk) for pk, at in rows}


class Viewers(World):
    def __init__(self, random: Random) -> None:
        super().__init__(random)
        self.stream = make_stream(self.person(), Status.ACTIVE)

    def address(self) -> str:
        return f"{STREAMS_URL}/{self.stream.pk}/viewers"

    def seen(self, user: User, now: datetime) -> object:
        return admit(user, self.stream.pk, status="active", role="audience", restriction=None, now=now)

    def add(self) -> object:
        return self.seen(self.person(), self.moment())

    def change(self, target: str) -> object:
        if self.random.randrange(2):
            return self.seen(User.objects.get(pk=target), self.moment() + timedelta(minutes=5))
        long_ago = self.base - timedelta(days=1)
        return Participant.objects.filter(user=target, stream=self.stream).update(last_seen_at=long_ago)


class Bans(World):
    """Bans from the caller's streams."""

    def address(self) -> str:
        return BANS_URL

    def add(self) -> object:
        return make_ban(self.person(), make_stream(self.caller), now=self.moment())

    def change(self, target: str) -> object:
        ban = LiveStreamBan.all_objects.select_related("created_by").get(pk=target)
        by, now = ban.created_by, self.moment() + timedelta(minutes=6)
        match self.random.randrange(4):
            case 0:
                return lift_ban(target, by=by, now=now)
            case 1:
                return services.delete_stream(ban.stream_id, by=by, now=now)
            case 2:
                return services.restore_stream(ban.stream_id, by=by, now=now)
        return change_ban(target, by=by, now=now, changes={"reason": f"Changed {self.random.random()}"})


class MyBans(Bans):
    def address(self) -> str:
        return f"{BANS_URL}/mine"

    def add(self) -> object:
        return make_ban(self.caller, make_stream(self.person()), now=self.moment())


class Reminders(World):
    def address(self) -> str:
        return MINE

    def add(self) -> None:
        remind(self.caller, make_stream(self.person()), minute=None, now=self.moment())

    def change(self, target: str) -> object:
        stream = Reminder.objects.select_related("stream__creator").get(pk=target).stream
        by, now = stream.creator, self.moment()
        match self.random.randrange(5):
            case 0:
                remind(self.caller, stream, minute=5, now=now)
                return None
            case 1:
                return remove_reminder(stream.pk, by=self.caller, now=now)
            case 2:
                return services.delete_stream(stream.pk, by=by, now=now)
            case 3:
                return services.restore_stream(stream.pk, by=by, now=now)
        return services.cancel_stream(stream.pk, by=by, now=now)


class Notifications(World):
    def address(self) -> str:
        return NOTIFICATIONS

    def add(self) -> object:
        stream = make_stream(self.person())
        return Notification.objects.create(
            user=self.caller, stream=stream, kind=Kind.REMINDER, minute=15, created_at=self.moment()
        )

    def change(self, target: str) -> object:
        stream = Notification.objects.select_related("stream__creator").get(pk=target).stream
        match self.random.randrange(3):
            case 0:
                return services.delete_stream(stream.pk, by=stream.creator, now=timezone.now())
            case 1:
                return services.restore_stream(stream.pk, by=stream.creator, now=timezone.now())
        return mark_notification(target, by=self.caller, now=timezone.now(), read=bool(self.random.randrange(2)))


LISTS: dict[str, type[World]] = {
    "listLiveStreamsV1": Streams,
    "listGuestStreamsV1": Guested,
    "listUpcomingStreamsV1": Upcoming,
    "listUpcomingStreamsByUserIdV1": UpcomingOfUser,
    "listUpcomingStreamsByUserIdV2": UpcomingOfUserInMinutes,
    "listLiveStreamMyUpcomingV1": MyUpcoming,
    "listLiveStreamMyBroadcastedStreamsV1": Broadcasted,
    "listLiveStreamMyWatchedStreamsV1": Watched,
    "listLiveStreamDeletedV1": Deleted,
    "listLiveStreamWhatsLiveNowV1": LiveNow,
    "listMyPastStreamsV1": Past,
    "listPastStreamsByUserIdV1": PastOfUser,
    "listViewersByIdV1": Viewers,
    "listLiveStreamBansV1": Bans,
    "listMyBansV1": MyBans,
    "listMyRemindersV1": Reminders,
    "listNotificationsV2": Notifications,
}
