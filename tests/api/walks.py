"""Every list of the API in every order, with rows to page through and changes to make between two pages."""

from datetime import datetime, timedelta
from random import Random

from django.utils import timezone

from accounts.models import User
from accounts.services import rename_user
from bans.models import Appeal, LiveStreamBan, Report
from bans.services import appeal_ban, change_ban, dismiss_case, lift_ban
from edges.models import Participant
from edges.services import admit
from livestreams import services
from livestreams.models import Status
from reminders.models import Kind, Notification, Reminder
from reminders.services import mark_notification, remove_reminder
from tests.api.stream_walks import (
    Broadcasted,
    Deleted,
    Guested,
    LiveNow,
    MyUpcoming,
    Past,
    PastOfUser,
    Streams,
    Upcoming,
    UpcomingOfUser,
    UpcomingOfUserInMinutes,
    Watched,
    World,
)
from tests.bans.people import BANS as BANS_URL
from tests.bans.people import make_ban
from tests.bans.reporting import MY_REPORTS, make_report
from tests.reminders.asking import MINE, NOTIFICATIONS, remind
from tests.streams import STREAMS as STREAMS_URL
from tests.streams import make_stream


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


class MyReports(World):
    def address(self) -> str:
        return MY_REPORTS

    def add(self) -> object:
        return make_report(self.caller, make_stream(self.person()), now=self.moment())

    def change(self, target: str) -> object:
        report = Report.objects.select_related("stream__creator").get(pk=target)
        by, now, stream = report.stream.creator, self.moment() + timedelta(minutes=6), report.stream_id
        match self.random.randrange(4):
            case 0:
                return dismiss_case(report.case_id, by=self.person(), now=now, reason="x")
            case 1:
                return services.delete_stream(stream, by=by, now=now)
            case 2:
                return services.restore_stream(stream, by=by, now=now)
        return make_report(self.caller, report.stream, now=now)


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
    "listLiveStreamV1": Streams,
    "listLiveStreamGuestStreamsV1": Guested,
    "listLiveStreamUpcomingV1": Upcoming,
    "getLiveStreamUserByUseridUpcomingLiveStreamsV1": UpcomingOfUser,
    "getLiveStreamUserByUseridUpcomingLiveStreamsV2": UpcomingOfUserInMinutes,
    "listLiveStreamMyUpcomingV1": MyUpcoming,
    "listLiveStreamMyBroadcastedStreamsV1": Broadcasted,
    "listLiveStreamMyWatchedStreamsV1": Watched,
    "listLiveStreamDeletedV1": Deleted,
    "listLiveStreamWhatsLiveNowV1": LiveNow,
    "listLiveStreamMyPastStreamsV1": Past,
    "getLiveStreamUserByUseridPastStreamsV1": PastOfUser,
    "getLiveStreamByIdViewersV1": Viewers,
    "listUsersSearchV1": Users,
    "listLiveStreamBanV1": Bans,
    "listLiveStreamBanMineV1": MyBans,
    "listLiveStreamBanAppealsV1": Appeals,
    "listLiveStreamReportsMyReportsV1": MyReports,
    "listLiveStreamRemindersV1": Reminders,
    "listNotificationsV1": NotificationsInV1,
    "listNotificationsV2": Notifications,
}
