"""Rows around the stream of a scenario, so that the recorded answer of each list and number is not empty."""

from datetime import datetime, timedelta
from decimal import Decimal

from accounts.models import PHOTO_SIZES, User
from accounts.services import set_own_photo
from bans.services import appeal_ban, lift_ban, mark_acted_on
from edges.services import CREATORS, LIVE, admit
from livestreams.models import LiveStream, Status
from livestreams.services import delete_stream, end_stream
from tests.api.operations import BAN, Operation, World
from tests.bans.people import make_ban
from tests.bans.reporting import make_report
from tests.conftest import make_user
from tests.edges.feedback import gave
from tests.reminders.asking import remind
from tests.reminders.working import work
from tests.streams import make_stream

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def join_early(now: datetime) -> None:
    """All users, and the photo of the first one, are two months old."""
    User.objects.update(created_at=now - 60 * DAY, updated_at=now - 60 * DAY)


def furnish(world: World, operation: Operation, now: datetime) -> None:
    """What the caller of a read finds beside `world.stream`: streams of all kinds, viewers, bans and notifications."""
    photographed = set_own_photo(
        world.creator, b"full", dict.fromkeys(PHOTO_SIZES, b"square"), by=world.creator, now=now - 60 * DAY
    )
    assert photographed.profile_photo
    if operation.method == "GET" or operation.path.endswith("/read-all"):
        host = make_user("deniz.sahin", name="Deniz", surname="Şahin", created_at=now - 60 * DAY)
        _streams_of_the_caller(world, operation, now)
        _streams_of_the_host(world, host, now)
        if "/live-stream-ban/{id}" not in operation.path:  # whose ban is there already
            _bans(world, host, now)
        if operation.path.endswith("/my-reports"):
            _reports(world, host, now)
        if operation.path.endswith("/feedback"):
            _feedback(world, now)
        _inbox(world, host, now)
        for minutes in (2, 1, 0):
            LIVE.refresh(now - timedelta(minutes=minutes))
        CREATORS.refresh(now)
        join_early(now)


def _watched_by(stream: LiveStream, *users: User, now: datetime) -> None:
    for minute, user in enumerate(users, 1):
        at = now + timedelta(minutes=minute)
        admit(user, stream.pk, status=Status.ACTIVE, role="audience", restriction=None, now=at)


def _streams_of_the_caller(world: World, operation: Operation, now: datetime) -> None:
    creator = world.creator
    if world.stream.status == Status.ACTIVE:
        return  # one at a time
    ended = make_stream(creator, Status.ENDED, now=now - 2 * DAY, title="Sabah kahvesi ve gündem", interest="talk")
    _watched_by(ended, world.viewer, world.stranger, now=now - 2 * DAY)
    deleted = make_stream(
        creator, now=now - 3 * DAY, title="Ertelenen söyleşi", interest="talk", duration_goal=45, planned_start_at=now
    )
    delete_stream(deleted.pk, by=creator, now=now - HOUR)
    if operation.path.endswith(("/my-active-stream", "/{id}/viewers", "/{id}/viewer-count", "/{id}/statistics")):
        active = make_stream(
            creator, Status.ACTIVE, now=now - timedelta(minutes=20), title="Gece yarısı soru cevap", interest="talk"
        )
        for minutes in (6, 3):  # a renewal, so that both have watched for some minutes
            _watched_by(active, world.viewer, world.stranger, now=now - timedelta(minutes=minutes))
        world.ids["id"] = active.pk


def _streams_of_the_host(world: World, host: User, now: datetime) -> None:
    watched = make_stream(host, Status.ENDED, now=now - DAY, title="İstanbul'dan akustik", interest="music")
    _watched_by(watched, world.creator, world.viewer, now=now - DAY)
    begin = now - timedelta(minutes=40)
    live = make_stream(host, Status.ACTIVE, now=begin, title="Python ile ilk adımlar", interest="coding")
    _watched_by(live, world.viewer, world.stranger, now=now - timedelta(minutes=3))
    guested = make_stream(
        host,
        now=now - 2 * HOUR,
        guest=world.creator,
        answer="accepted",
        title="Türk halk müziği üzerine",
        interest="music",
        duration_goal=90,
        price=Decimal("49.90"),
        planned_start_at=now + 5 * HOUR,
    )
    remind(world.creator, guested, minute=60, now=now - HOUR)


def _bans(world: World, host: User, now: datetime) -> None:
    talk = make_stream(world.creator, now=now - DAY, title="Açık kaynak saati", planned_start_at=now + DAY)
    make_ban(world.stranger, talk, now=now - 3 * HOUR, reason=BAN["reason"])
    make_ban(
        world.viewer,
        world.stream,
        now=now - HOUR,
        action_type="CHAT_ONLY",
        reason="Sohbette aynı mesajı tekrarladı",
        expires_at=now + DAY,
    )
    lifted = make_ban(world.stranger, world.stream, now=now - 2 * HOUR)
    lift_ban(lifted.pk, by=world.creator, now=now - HOUR)
    against_caller = make_ban(
        world.creator,
        make_stream(host, now=now - DAY, title="Satranç açılışları", planned_start_at=now + DAY),
        now=now - 4 * HOUR,
        reason="Konu dışı tartışma",
        expires_at=now + 3 * DAY,
    )
    appeal_ban(against_caller.pk, by=world.creator, now=now - 2 * HOUR, text="Sorum yayının konusuyla ilgiliydi.")


def _reports(world: World, host: User, now: datetime) -> None:
    moderator = make_user("selin.aydin", name="Selin", surname="Aydın")
    for hours, title, reason in ((9, "Çekiliş yayını", "scam"), (2, "Gece oyunları", "violence")):
        stream = make_stream(host, now=now - DAY, title=title, interest="gaming", planned_start_at=now + DAY)
        report = make_report(world.creator, stream, now=now - hours * HOUR, reason=reason)
        if reason == "scam":
            mark_acted_on(report.case_id, by=moderator, now=now - 3 * HOUR, reason="Yayını iptal ettim.")


def _feedback(world: World, now: datetime) -> None:
    given = ((world.viewer, 5, "Şarkılar harikaydı."), (world.stranger, 4, "Ses bazen kesildi."))
    _watched_by(world.stream, *(user for user, _, _ in given), now=now - timedelta(minutes=20))
    end_stream(world.stream.pk, by=world.creator, now=now - timedelta(minutes=10))
    for minutes, (user, rating, comment) in enumerate(given, 2):
        gave(user, world.stream, rating, comment=comment, now=now - timedelta(minutes=minutes))


def _inbox(world: World, host: User, now: datetime) -> None:
    soon = make_stream(
        host, now=now - DAY, title="Evde ekşi mayalı ekmek", interest="cooking", planned_start_at=now + HOUR / 6
    )
    remind(world.creator, soon, minute=15, now=now - HOUR)
    work(now - timedelta(minutes=5))
