"""Every list of the API in every order, with rows to page through and changes to make between two pages."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any

from django.utils import timezone

from accounts.models import User
from accounts.services import rename_user
from bans.models import Appeal, LiveStreamBan
from bans.services import appeal_ban, change_ban, lift_ban
from common.refusals import Refusal
from edges.models import Participant
from edges.services import admit
from livestreams import services
from livestreams.models import BEGIN, OPEN, LiveStream, Status
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

    def __init__(self, random: Random) -> None:
        self.random = random
        self.caller = make_user("caller")
        self.base = timezone.now()
        self.count = 0
        self.filters: dict[str, str] = {}

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
        rows = LiveStream.all_objects.values_list("pk", self.orders.orders[sort].parts[0].key)
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


class Users(World):
    def __init__(self, random: Random) -> None:
        super().__init__(random)
        self.filters = {"q": "person"}

    def address(self) -> str:
        return "/api/v1/users/search"

    def add(self) -> object:
        user = self.person()
        return User.objects.filter(pk=user.pk).update(created_at=self.moment())

    def change(self, target: str) -> object:
        match self.random.randrange(3):
            case 0:
                return User.objects.filter(pk=target).update(is_active=False)
            case 1:
                return User.objects.filter(pk=target).update(is_active=True)
        return rename_user(target, f"renamed-person{self.random.random()}", by=None, now=timezone.now())


class SearchedStreams(Streams):
    """Streams in the order of a search."""

    def __init__(self, random: Random) -> None:
        super().__init__(random)
        # Titles have it before and after they are renamed.
        self.filters = {"search": "e"}

    def keys(self, sort: str, descending: bool) -> Keys:
        def rank(begin: datetime, created: datetime, status: str, pk: str) -> tuple[Key, Any]:
            number = int(pk, 16)
            return ((0, begin.timestamp()), number) if status in OPEN else ((1, -created.timestamp()), -number)

        rows = LiveStream.all_objects.values_list("pk", BEGIN, "created_at", "status")
        return {pk: rank(begin, created, status, pk) for pk, begin, created, status in rows}


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


class Appeals(MyBans):
    """Appeals of the caller; their ids are those of the appeals."""

    def add(self) -> object:
        ban = make_ban(self.caller, make_stream(self.person()), now=self.moment())
        return appeal_ban(ban.pk, by=self.caller, now=self.moment(), text="It was not me.")

    def change(self, target: str) -> object:
        return super().change(Appeal.objects.get(pk=target).ban_id)

    def address(self) -> str:
        return f"{BANS_URL}/appeals"


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


class NotificationsInV1(Notifications):
    def address(self) -> str:
        return "/api/v1/notifications"


LISTS: dict[str, type[World]] = {
    "listLiveStreamsV1": Streams,
    "listGuestStreamsV1": Guested,
    "listUpcomingStreamsV1": Upcoming,
    "listUpcomingStreamsByUserIdV1": UpcomingOfUser,
    "listUpcomingStreamsByUserIdV2": UpcomingOfUserInMinutes,
    "listMyPastStreamsV1": Past,
    "listPastStreamsByUserIdV1": PastOfUser,
    "listViewersByIdV1": Viewers,
    "listUsersSearchV1": Users,
    "listLiveStreamBansV1": Bans,
    "listMyBansV1": MyBans,
    "listAppealsV1": Appeals,
    "listMyRemindersV1": Reminders,
    "listNotificationsV1": NotificationsInV1,
    "listNotificationsV2": Notifications,
}


@dataclass
class Walk:
    """The result of reading a list to its end, page by page, while it changed.

    `stayed` are the rows that were always in the list and never moved past the cursor.
    `crossed` are those that moved past the cursor: they may be read twice or not at all.
    """

    read: list[str]
    stayed: set[str]
    crossed: set[str]
    changes: int


def id_of(item: dict[str, Any]) -> str:
    found: str = item.get("id") or item["_id"]
    return found


def walked(
    world: World, get: Callable[[dict[str, Any]], Any], *, sort: str | None, descending: bool, most_changes: int = 30
) -> Walk:
    """`get` takes the query and returns the response. `sort` is a value of `sortBy`, or None."""
    order = {"sortBy": sort, "sortOrder": "desc" if descending else "asc"} if sort else {}
    everything = order | {"limit": 100}
    key = sort or "begin"

    def present() -> set[str]:
        page = get(everything).json()["data"]
        assert not page["pagination"]["hasNextPage"], "too many rows for one page"
        return {id_of(item) for item in page["list"]}

    walk = Walk([], present(), set(), 0)
    after: dict[str, str] = {}
    while True:
        response = get(order | {"limit": world.random.randrange(1, 8)} | after)
        page = response.json()["data"]
        walk.read += map(id_of, page["list"])
        if not page["pagination"]["hasNextPage"]:
            return walk
        after = place_after(response)
        place = world.keys(key, descending).get(walk.read[-1], NOWHERE)

        def is_read(at: tuple[Any, str], place: tuple[Any, str] = place) -> bool:
            return at >= place if descending else at <= place

        for _ in range(min(world.random.randrange(1, 5), most_changes - walk.changes)):
            before = world.keys(key, descending)
            # Often the row that was read last, because the cursor names it.
            world.add_or_change(
                walk.read[-1] if world.random.randrange(2) else world.random.choice(sorted(walk.stayed))
            )
            walk.changes += 1
            now = world.keys(key, descending)
            walk.crossed |= {pk for pk in before if is_read(before[pk]) != is_read(now[pk])}
            walk.stayed &= present()
        walk.stayed -= walk.crossed


def place_after(response: Any) -> dict[str, str]:
    return {"after": response.headers["X-Next-Cursor"]}
