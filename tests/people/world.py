"""A person about whom every table has rows, with a word in each text by which a test finds it again."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.backends.db import SessionStore
from django.db import connection

from accounts import services as accounts
from accounts.models import KnownAddress, Media, PersonNote, RefreshedPair, StaffPreferences, User
from bans.models import Appeal, BulkRequest, LiveStreamBan, Report, ReportCase, ReviewClaim
from common import audit
from common.models import LastWrite
from edges.models import CreatorAudience, Feedback, Participant, Revocation
from livestreams.models import LiveStream, Status
from livestreams.services import edit_stream
from reminders.models import (
    CalendarAddress,
    Chunk,
    Delivery,
    DeviceToken,
    MutedChannel,
    Notification,
    Reminder,
    Round,
)
from tests.bans.people import make_ban
from tests.conftest import make_user, session_of
from tests.streams import make_stream

WORD = "zq7x"
NAME = f"mia.{WORD}"
FORMER = f"first.{WORD}"
EMAIL = f"mia@{WORD}.example"
OTHER = "kept text"


@dataclass
class World:
    """`person` is the one to erase. `other` and `moderator` have rows of their own, which stay as they are."""

    person: User
    other: User
    moderator: User
    stream: LiveStream
    others_stream: LiveStream
    ban: LiveStreamBan


def filled(now: datetime) -> World:
    person = accounts.create_user(FORMER, "correct horse battery", by=None, now=now, **_names())
    accounts.rename_user(person.pk, NAME, by=None, now=now, reason=f"wanted by {WORD}")
    person.refresh_from_db()
    other, moderator = make_user("other"), make_user("moderator", is_staff=True, is_superuser=True)
    before = now - timedelta(hours=2)
    stream = make_stream(person, Status.ENDED, now=before, title=f"{WORD} talks", motivation=f"{WORD} wants")
    LiveStream.objects.filter(pk=stream.pk).update(thumbnail="thumbnails/picture.webp", interest=f"{WORD} hats")
    others_stream = make_stream(other, now=before, guest=person, answer="declined", title=OTHER, motivation=OTHER)
    for owner in (person, other):
        deleted = make_stream(
            owner, Status.CANCELLED_BY_HOST, now=before, title=f"{WORD} off" if owner == person else OTHER
        )
        LiveStream.objects.filter(pk=deleted.pk).update(deleted_at=before, deleted_by=person)
    edit_stream(others_stream.pk, by=other, now=before, changes={"title": OTHER + " 2"})
    ban = make_ban(person, others_stream, now=before, reason=f"{WORD} was rude")
    world = World(person, other, moderator, stream, others_stream, ban)
    _account(world, now)
    _moderation(world, now)
    _viewing(world, now)
    _notifying(world, now)
    _trail(world, now)
    return world


def _names() -> dict[str, str]:
    return {
        "name": "Mia",
        "surname": WORD.title(),
        "email": EMAIL,
        "identity_issuer": f"https://id.{WORD}.example",
        "identity_subject": WORD,
    }


def _account(world: World, now: datetime) -> None:
    person, other = world.person, world.other
    photo = Media.objects.create(
        file="photos/a-full.webp", variants={"40": "photos/a-40.webp"}, created_at=now, updated_at=now
    )
    User.objects.filter(pk=person.pk).update(
        profile_photo=photo, is_staff=True, last_login=now, identity_tokens_from=now, availability_status="busy"
    )
    person.groups.add(Group.objects.get(name="Ops"))
    person.user_permissions.add(Permission.objects.get(codename="enforce"))
    StaffPreferences.objects.create(user=person, language="tr", time_zone="Europe/Istanbul")
    accounts.add_note(person.pk, f"{WORD} again", by=world.moderator, now=now)
    PersonNote.all_objects.create(
        person=person, author=other, text=f"{WORD} deleted", created_at=now, deleted_at=now, deleted_by=other
    )
    PersonNote.all_objects.create(
        person=other, author=person, text=OTHER, created_at=now, deleted_at=now, deleted_by=person
    )
    session = session_of(person)
    RefreshedPair.objects.create(refresh_id="a" * 32, session=session, pair=WORD.encode(), until=now)
    KnownAddress.objects.create(user=person, address=WORD.encode(), last_login_at=now)
    for user in (person, other):
        admin = SessionStore()
        admin["_auth_user_id"] = user.pk
        admin.create()
    kind = ContentType.objects.get_for_model(LiveStream)
    LogEntry.objects.create(
        user=person, content_type=kind, object_id=WORD, object_repr=WORD, change_message=WORD, action_flag=1
    )
    LastWrite.objects.create(caller=person.pk, lsn=1, written_at=now)


def _moderation(world: World, now: datetime) -> None:
    person, other, moderator = world.person, world.other, world.moderator
    reviewed = {"review": "upheld", "reviewed_at": now}
    LiveStreamBan.objects.filter(pk=world.ban.pk).update(
        verdict_message=f"{WORD}, be kind", reviewed_by=moderator, **reviewed
    )
    # A ban that the person made, decided and lifted, of somebody else.
    LiveStreamBan.objects.create(
        target=other, stream=world.stream, created_by=person, reason=f"said by {WORD}", created_at=now, updated_at=now,
        reviewed_by=person, deleted_by=person, deleted_at=now, verdict_message=OTHER, **reviewed,
    )  # fmt: skip
    Appeal.objects.create(ban=world.ban, text=f"{WORD} is sorry", created_at=now, updated_at=now)
    about = ReportCase.objects.create(
        stream=world.stream, state="dismissed", report_count=1, reasons={"spam": 1}, decision=f"{WORD} may",
        decided_by=moderator, decided_at=now, created_at=now, updated_at=now,
    )  # fmt: skip
    Report.objects.create(case=about, stream=world.stream, reporter=other, reason="spam", comment=OTHER, created_at=now)
    case = ReportCase.objects.create(
        stream=world.others_stream, state="acted_on", report_count=1, reasons={"spam": 1}, decision=OTHER,
        decided_by=person, decided_at=now, created_at=now, updated_at=now,
    )  # fmt: skip
    Report.objects.create(
        case=case, stream=world.others_stream, reporter=person, reason="spam", comment=f"{WORD} saw", created_at=now
    )
    ReviewClaim.objects.create(ban=world.ban, moderator=person, claimed_at=now, until=now + timedelta(hours=1))
    entry = {"action_type": "BLOCK", "expires_at": None}
    payload = {
        "bans": [
            entry | {"target": person.pk, "by": other.pk, "reason": f"{WORD} shouted"},
            entry | {"target": moderator.pk, "by": other.pk, "reason": OTHER},
        ]
    }
    review = {"batch_id": "0" * 24, "reason": f"thinks {WORD}", "message": f"says {WORD}"}
    times = {"created_at": now, "updated_at": now, "expires_at": now, "people": 2, "stream": world.others_stream}
    BulkRequest.objects.create(action="ban", payload=payload, requested_by=other, **times)
    BulkRequest.objects.create(
        action="review", payload=review, requested_by=person, state="rejected", decided_by=person, decided_at=now,
        **times,
    )  # fmt: skip


def _viewing(world: World, now: datetime) -> None:
    person, stream = world.person, world.others_stream
    Participant.objects.create(stream=stream, user=person, role="audience", first_seen_at=now, last_seen_at=now)
    Revocation.objects.create(stream=stream, user=person, action="BLOCK", at=now)
    CreatorAudience.objects.create(creator=person, viewers=3, counted_at=now)
    for user, comment in ((person, f"{WORD} liked it"), (world.other, OTHER)):
        Feedback.objects.create(stream=world.stream, user=user, rating=5, comment=comment, created_at=now)


def _notifying(world: World, now: datetime) -> None:
    person, stream = world.person, world.others_stream
    times = {"created_at": now, "updated_at": now}
    for user in (person, world.other):
        Reminder.objects.create(stream=stream, user=user, minute=10, language="tr", **times)
        Notification.objects.create(
            user=user, stream=stream, kind="ban_reviewed", created_at=now,
            details={"message": f"{WORD}, be kind" if user == person else OTHER},
        )  # fmt: skip
        MutedChannel.objects.create(user=user, channel="email")
    DeviceToken.objects.create(
        user=person, platform="ios", device_id=f"phone of {WORD}", token=WORD, digest=WORD.encode() * 8, **times
    )
    CalendarAddress.objects.create(user=person, digest=WORD.encode() * 8, created_at=now)
    round_ = Round.objects.create(stream=stream, kind="live", due_at=now, good_until=now, opened_at=now)
    chunk = Chunk.objects.create(round=round_, number=1, due_at=now)
    for channel, error in (("email", f"550 no mailbox <{EMAIL.upper()}>"), ("webhook", OTHER)):
        Delivery.objects.create(
            chunk=chunk, channel=channel, last_error=error, created_at=now, next_attempt_at=now,
            reached_user=person.pk,
        )  # fmt: skip


def _trail(world: World, now: datetime) -> None:
    """Entries beside those that the services have written: of removed rows, and of other people who name the person."""
    person, other, moderator = world.person, world.other, world.moderator
    gone = LiveStream(pk="1" * 24)
    audit.record("create_stream", gone, by=person, now=now, before={}, after={"title": f"{WORD} gone"})
    deleted = {"deleted_at": now}
    audit.record("delete_stream", gone, by=moderator, now=now, before={}, after=deleted, reason=f"{WORD} spammed")
    gone_ban = LiveStreamBan(pk="2" * 24)
    state = {"target_id": person.pk, "reason": f"{WORD} was rude"}
    audit.record("ban_user", gone_ban, by=other, now=now, before={}, after=state)
    after = {"verdict_message": f"{WORD}, be kind"}
    audit.record("review_ban", gone_ban, by=moderator, now=now, before={}, after=after, reason=f"{WORD} did it")
    others_ban = LiveStreamBan.all_objects.get(target=other)
    lifted = {"deleted_at": now}
    audit.record("lift_ban", others_ban, by=person, now=now, before={}, after=lifted, reason=f"{WORD} forgives")
    names = {"reviewer": NAME}, {"reviewer": moderator.username}
    audit.record("overrule_review", others_ban, by=moderator, now=now, before=names[0], after=names[1], reason=OTHER)
    audit.record("take_over_claim", others_ban, by=moderator, now=now, before={"moderator": FORMER}, after={})
    searched = {"format": "csv", "filter": {"who": f"MIA {WORD.title()}", "about": "other"}}
    audit.record_run("export_audit_rows", "audit_rows", by=moderator, now=now, after=searched)
    audit.record("log_out", other, by=moderator, now=now, before={}, after={}, reason=f"wrote to {EMAIL.title()}")
    audit.record("edit_stream", world.others_stream, by=other, now=now, before={"title": OTHER}, after={"title": "x"})


def rows_with(*words: str) -> dict[str, list[str]]:
    """By table, the rows of the whole database that have one of the words anywhere, in any case."""
    found: dict[str, list[str]] = {}
    pattern = "|".join(word.replace(".", r"\.") for word in words)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition"
            " AND relnamespace = current_schema()::regnamespace ORDER BY relname"
        )
        for (table,) in cursor.fetchall():
            cursor.execute(f'SELECT each::text FROM "{table}" AS each WHERE each::text ~* %s', [pattern])
            if rows := [row[0] for row in cursor.fetchall()]:
                found[table] = rows
    return found


def bytes_with(text: str) -> str:
    """How PostgreSQL writes the bytes of a text in a row."""
    return text.encode().hex()
