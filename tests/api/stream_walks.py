"""Lists of streams in every order, with rows to page through and changes to make between two pages."""

from contextlib import suppress
from datetime import datetime, timedelta
from random import Random
from typing import Any

from django.utils import timezone

from accounts.models import User
from common.refusals import Refusal
from edges.models import CountingPass, ViewerCount
from edges.services import LIVE, admit
from livestreams import services
from livestreams.models import BEGIN, OPEN, LiveStream, Status
from livestreams.reads import STREAMS, UPCOMING
from tests.conftest import make_user
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
