"""The calls of most operations in the matrix: one row for each kind of object."""

from collections.abc import Callable
from functools import partial
from typing import Any

from django.utils import timezone

from accounts import services as accounts
from accounts import tokens
from accounts.models import Session, User
from bans.models import LiveStreamBan
from bans.services import appeal_ban, ban_many, lift_ban, undo_batch
from livestreams import services as streams
from livestreams.models import LiveStream
from tests.api.matrix.callers import DEACTIVATED, LOGGED_OUT, NOBODY
from tests.api.matrix.cells import Call, Inapplicable
from tests.api.matrix.inbox_rows import my_reminders, on_address, on_device, on_notice, on_reminder, registering
from tests.api.matrix.kinds import ANOTHERS, ANOTHERS_DELETED, OWN, OWN_DELETED, Rows, of_the_caller, pairs
from tests.api.matrix.world import World

# --- streams --------------------------------------------------------------------------------------


def start(stream: LiveStream) -> Callable[[], object]:
    return lambda: streams.start_stream(stream.pk, by=stream.creator, now=timezone.now())


def on_stream(body: dict[str, Any] | None = None, *, active: bool = False) -> Rows:
    def living(world: World, caller: str, owner: str) -> Call:
        stream = world.planned[owner]
        return Call({"id": stream.pk}, body=body, prepare=start(stream) if active else lambda: None)

    return pairs(living, lambda world, caller, owner: Call({"id": world.deleted[owner].pk}, body=body))


def with_a_picture() -> Rows:
    """As `on_stream`; the stream has a picture, so that a success changes it."""

    def of(stream: LiveStream, *, living: bool) -> Call:
        give = partial(streams.set_thumbnail, stream.pk, by=stream.creator, now=timezone.now(), file="one.webp")
        return Call({"id": stream.pk}, prepare=give if living else lambda: None)

    return pairs(
        lambda world, caller, owner: of(world.planned[owner], living=True),
        lambda world, caller, owner: of(world.deleted[owner], living=False),
    )


def listed(query: str = "limit=100") -> Rows:
    """Planned streams in the list of all streams."""
    return pairs(
        lambda world, caller, owner: Call(query=query, shows=world.planned[owner].pk),
        lambda world, caller, owner: Call(query=query, shows=world.deleted[owner].pk),
    )


def listed_of_user(query: str = "") -> Rows:
    """Planned streams in the list of their creator."""

    def of(world: World, owner: str, stream: LiveStream) -> Call:
        return Call({"userId": world.people[owner].pk}, query=query, shows=stream.pk)

    return pairs(
        lambda world, caller, owner: of(world, owner, world.planned[owner]),
        lambda world, caller, owner: of(world, owner, world.deleted[owner]),
    )


def past(*, of_user: bool) -> Rows:
    def living(world: World, caller: str, owner: str) -> Call:
        ids = {"userId": world.people[owner].pk} if of_user else {}
        return Call(ids, query="limit=100", shows=world.ended[owner].pk)

    def deleted(world: World, caller: str, owner: str) -> Call:
        ids, stream = ({"userId": world.people[owner].pk} if of_user else {}), world.ended[owner]
        gone = lambda: streams.delete_stream(stream.pk, by=stream.creator, now=timezone.now())  # noqa: E731
        return Call(ids, query="limit=100", shows=stream.pk, prepare=gone)

    return pairs(living, deleted)


def in_body(active: bool = False, audit: int = 1, **more: Callable[[World], Any]) -> Rows:
    """The stream is named by the body's liveStreamId."""

    def of(world: World, stream: LiveStream, prepare: Callable[[], object]) -> Call:
        body = {"liveStreamId": stream.pk} | {name: value(world) for name, value in more.items()}
        return Call(body=body, audit=audit, prepare=prepare)

    return pairs(
        lambda world, caller, owner: of(
            world, world.planned[owner], start(world.planned[owner]) if active else lambda: None
        ),
        lambda world, caller, owner: of(world, world.deleted[owner], lambda: None),
    )


def active_stream() -> Rows:
    return pairs(
        lambda world, caller, owner: Call(shows=world.planned[owner].pk, prepare=start(world.planned[owner])),
        lambda world, caller, owner: Call(shows=world.deleted[owner].pk),
    )


def as_guest() -> Rows:
    return pairs(
        lambda world, caller, owner: Call(query="limit=100", shows=world.guested[owner].pk),
        lambda world, caller, owner: Call(query="limit=100", shows=world.guested_deleted[owner].pk),
    )


def answering() -> Rows:
    """Own is a stream of the host in which the caller is the guest."""
    return pairs(
        lambda world, caller, owner: Call({"id": world.guested[owner].pk}),
        lambda world, caller, owner: Call({"id": world.guested_deleted[owner].pk}),
    )


def creating(world: World, *guests: str) -> Call:
    invited = {"liveStreamType": "duocrowd", "guests": list(guests)} if guests else {}
    return Call(body={"title": "Evening talk"} | invited)


# --- bans -----------------------------------------------------------------------------------------


def lifted(ban: LiveStreamBan, before: Callable[[], object] = lambda: None) -> Callable[[], object]:
    def prepare() -> None:
        before()
        lift_ban(ban.pk, by=ban.created_by, now=timezone.now())

    return prepare


def on_ban(body: dict[str, Any] | None = None) -> Rows:
    """A deleted ban is a lifted one. Own is a ban that the caller made on their own stream."""

    def on(ban: LiveStreamBan) -> Call:
        return Call({"id": ban.pk}, body=body)

    def lifted_one(world: World, caller: str, owner: str) -> Call:
        ban = world.bans[owner]
        return Call({"id": ban.pk}, body=body, prepare=lifted(ban))

    return pairs(lambda world, caller, owner: on(world.bans[owner]), lifted_one) | {
        "against oneself": lambda world, caller: on(world.against[caller]),
        "on own deleted stream": lambda world, caller: on(world.bans_of_deleted[caller]),
        "on another's deleted stream": lambda world, caller: on(world.bans_of_deleted[world.another(caller)]),
        "against oneself, on a deleted stream": lambda world, caller: on(world.against_on_deleted[caller]),
    }


def listed_bans() -> Rows:
    def shown(ban: LiveStreamBan) -> Call:
        return Call(query="limit=100", shows=ban.pk)

    def lifted_one(world: World, caller: str, owner: str) -> Call:
        return Call(query="limit=100", shows=world.bans[owner].pk, prepare=lifted(world.bans[owner]))

    return pairs(lambda world, caller, owner: shown(world.bans[owner]), lifted_one) | {
        "against oneself": lambda world, caller: shown(world.against[caller]),
        "on own deleted stream": lambda world, caller: shown(world.bans_of_deleted[caller]),
    }


def my_bans() -> Rows:
    def lifted_one(world: World, caller: str, owner: str) -> Call:
        return Call(query="limit=100", shows=world.against[owner].pk, prepare=lifted(world.against[owner]))

    return pairs(lambda world, caller, owner: Call(query="limit=100", shows=world.against[owner].pk), lifted_one) | {
        "own, on a deleted stream": lambda world, caller: Call(
            query="limit=100", shows=world.against_on_deleted[caller].pk
        ),
    }


def listed_appeals() -> Rows:
    """Own is the appeal against a ban of the caller."""

    def shown(ban: LiveStreamBan) -> Call:
        return Call(query="limit=100", shows=ban.pk, prepare=appealed(ban))

    def lifted_one(world: World, caller: str, owner: str) -> Call:
        ban = world.against[owner]
        return Call(query="limit=100", shows=ban.pk, prepare=lifted(ban, appealed(ban)))

    return pairs(lambda world, caller, owner: shown(world.against[owner]), lifted_one) | {
        "on own stream": lambda world, caller: shown(world.bans[caller]),
        "own, on a deleted stream": lambda world, caller: shown(world.against_on_deleted[caller]),
    }


def appealed(ban: LiveStreamBan) -> Callable[[], object]:
    return lambda: appeal_ban(ban.pk, by=ban.target, now=timezone.now(), text="It was not me.")


def on_appeal(body: dict[str, Any] | None = None, *, made: bool = True) -> Rows:
    """Own is the appeal against a ban of the caller. With `made`, it exists before the call."""

    def before(ban: LiveStreamBan) -> Callable[[], object]:
        return appealed(ban) if made else lambda: None

    def on(ban: LiveStreamBan) -> Call:
        return Call({"id": ban.pk}, body=body, prepare=before(ban))

    def lifted_one(world: World, caller: str, owner: str) -> Call:
        ban = world.against[owner]
        return Call({"id": ban.pk}, body=body, prepare=lifted(ban, before(ban)))

    return pairs(lambda world, caller, owner: on(world.against[owner]), lifted_one) | {
        "on own stream": lambda world, caller: on(world.bans[caller]),
        "own, on a deleted stream": lambda world, caller: on(world.against_on_deleted[caller]),
    }


def on_batch() -> Rows:
    def batch(world: World, owner: str, stream: LiveStream, *, undone: bool = False, deleted: bool = False) -> Call:
        ids: dict[str, str] = {}

        def prepare() -> None:
            now = timezone.now()
            ids["batchId"] = ban_many(stream.pk, [world.bystander.pk], by=stream.creator, now=now).id or ""
            if undone:
                undo_batch(ids["batchId"], by=stream.creator, now=now)
            if deleted:
                streams.delete_stream(stream.pk, by=stream.creator, now=now)

        return Call(ids, prepare=prepare)

    return pairs(
        lambda world, caller, owner: batch(world, owner, world.planned[owner]),
        lambda world, caller, owner: batch(world, owner, world.planned[owner], undone=True),
    ) | {"on own deleted stream": lambda world, caller: batch(world, caller, world.planned[caller], deleted=True)}


def checking() -> Rows:
    def check(target: str, stream: LiveStream, ban: LiveStreamBan | None = None) -> Call:
        return Call({"targetUserId": target}, query=f"liveStreamId={stream.pk}", shows=ban.pk if ban else "")

    return pairs(
        lambda world, caller, owner: check(world.troublemaker.pk, world.planned[owner], world.bans[owner]),
        lambda world, caller, owner: check(world.troublemaker.pk, world.deleted[owner], world.bans_of_deleted[owner]),
    ) | {
        "oneself": lambda world, caller: check(world.people[caller].pk, world.planned[world.another(caller)]),
        "oneself, on a deleted stream": lambda world, caller: check(
            world.people[caller].pk, world.deleted[world.another(caller)]
        ),
    }


# --- accounts -------------------------------------------------------------------------------------


def counts_failures(table: str) -> bool:
    """Failed logins write to tables of `accounts`, but not to users and sessions."""
    return table.startswith("accounts_") and table not in ("accounts_user", "accounts_session")


def log_in(world: World, name: str, password: str) -> Call:
    user = world.people[name].user
    return Call(body={"username": user.username, "password": password}, actor=user.pk, may_write=counts_failures)


def with_password_of(world: World, caller: str) -> Call:
    """Another user's name with the caller's password."""
    password = "a guess" if caller == NOBODY else world.people[caller].password
    return log_in(world, world.another(caller), password)


def with_refresh_token(*, audited: Callable[[str], int]) -> Rows:
    """The token alone authorizes. A deleted token is one of an ended session. `audited` takes the owner."""

    def of(world: World, caller: str, owner: str) -> Call:
        each = world.people[owner]
        return Call(body={"refreshToken": each.refresh}, actor=each.pk, audit=audited(owner))

    def ended(world: World, caller: str, owner: str) -> Call:
        each, now = world.people[owner], timezone.now()
        expires_at = now + accounts.SESSION_LIFETIME
        session = Session(user=each.user, refresh_id="f" * 32, created_at=now, expires_at=expires_at)
        token = tokens.RefreshToken.of(session, now=now)

        def prepare() -> None:
            session.save(force_insert=True)
            accounts.revoke(session.pk, now=now)

        return Call(body={"refreshToken": str(token)}, actor=each.pk, audit=0, prepare=prepare)

    return pairs(of, ended)


def seen_by_all(of: Callable[[User], Call]) -> Rows:
    """The object is a user. Another's deleted one is a deactivated account."""
    return {
        OWN: lambda world, caller: of(world.people[caller].user),
        ANOTHERS: lambda world, caller: of(world.bystander),
        OWN_DELETED: Inapplicable("one's own deactivated account is a caller of its own"),
        ANOTHERS_DELETED: lambda world, caller: of(world.people[DEACTIVATED].user),
    }


BASIC_ROWS: dict[str, Rows] = {
    "acceptLiveStreamByIdGuestV1": answering(),
    "createLiveStreamBanByIdAppealV1": on_appeal({"text": "It was not me."}, made=False),
    "createLiveStreamBanBulkV1": in_body(targets=lambda world: [world.bystander.pk]),
    "cancelLiveStreamByIdV1": on_stream(),
    "checkLiveStreamBanByTargetuseridV1": checking(),
    "getNotificationsUnreadCountV1": of_the_caller(lambda world, caller: Call()),
    "getLiveStreamByIdViewerCountV1": on_stream(),
    "createLiveStreamBanV1": in_body(targetUserId=lambda world: world.bystander.pk),
    "createLiveStreamV1": {
        OWN: lambda world, caller: creating(world),
        ANOTHERS: lambda world, caller: creating(world, world.bystander.pk),
        OWN_DELETED: Inapplicable("a new stream cannot be deleted yet"),
        ANOTHERS_DELETED: Inapplicable("the body refers to a user, and users are not deleted"),
    },
    "createLiveStreamMyCalendarV1": of_the_caller(lambda world, caller: Call()),
    "createNotificationsDeviceTokenV1": registering(),
    "declineLiveStreamByIdGuestV1": answering(),
    "deleteLiveStreamByIdV1": on_stream(),
    "deleteLiveStreamByIdThumbnailV1": with_a_picture(),
    "deleteLiveStreamMyCalendarV1": on_address(),
    "deleteNotificationsDeviceTokenByIdV1": on_device(),
    "deleteLiveStreamByIdReminderV1": on_reminder(),
    "endLiveStreamByIdV1": on_stream(active=True),
    "getUsersProfileByUseridV1": seen_by_all(lambda user: Call({"userId": user.pk}, shows=user.pk)),
    "getUsersProfileUsernameByUsernameV1": seen_by_all(lambda user: Call({"username": user.username}, shows=user.pk)),
    "joinLiveStreamV1": in_body(active=True, audit=0),  # presence is not audited
    "deleteLiveStreamBanByIdV1": on_ban(),
    "listLiveStreamBanAppealsV1": listed_appeals(),
    "listLiveStreamGuestStreamsV1": as_guest(),
    "listLiveStreamBanV1": listed_bans(),
    "listLiveStreamV1": listed(),
    "listLiveStreamBanMineV1": my_bans(),
    "listLiveStreamMyPastStreamsV1": past(of_user=False),
    "listLiveStreamRemindersV1": my_reminders(),
    "listNotificationsV1": on_notice(lambda notice: Call(query="limit=100", shows=notice.pk)),
    "listNotificationsV2": on_notice(lambda notice: Call(query="limit=100", shows=notice.pk)),
    "getLiveStreamUserByUseridPastStreamsV1": past(of_user=True),
    "getLiveStreamByIdRevocationsV1": on_stream(),
    "getLiveStreamUserByUseridUpcomingLiveStreamsV1": listed_of_user("limit=100"),
    "getLiveStreamUserByUseridUpcomingLiveStreamsV2": listed_of_user("limit=100"),
    "listLiveStreamUpcomingV1": listed(),
    "listUsersSearchV1": seen_by_all(lambda user: Call(query=f"q={user.username}", shows=user.pk)),
    "getLiveStreamByIdViewersV1": on_stream(),
    "loginAuthV1": {
        OWN: lambda world, caller: log_in(world, caller, world.people[caller].password),
        ANOTHERS: with_password_of,
        OWN_DELETED: Inapplicable("users are not deleted; one's own deactivated account is a caller of its own"),
        ANOTHERS_DELETED: lambda world, caller: log_in(world, DEACTIVATED, world.people[DEACTIVATED].password),
    },
    "logoutAuthV1": of_the_caller(lambda world, caller: Call()),
    "updateNotificationsReadAllV1": of_the_caller(lambda world, caller: Call()),
    "updateNotificationsByIdReadV1": on_notice(lambda notice: Call({"id": notice.pk}, body={"isRead": True})),
    "updateNotificationsByIdReadV2": on_notice(lambda notice: Call({"id": notice.pk}, body={"isRead": True})),
    "getLiveStreamBanByIdAppealV1": on_appeal(),
    "getLiveStreamUserByUseridCalendarIcsV1": listed_of_user(),
    "getUsersMeV1": {
        OWN: lambda world, caller: Call(shows=world.people[caller].pk),
        ANOTHERS: lambda world, caller: Call(shows=world.people[world.another(caller)].pk),
        OWN_DELETED: Inapplicable("users are not deleted"),
        ANOTHERS_DELETED: Inapplicable("users are not deleted"),
    },
    "getLiveStreamBanByIdV1": on_ban(),
    "getLiveStreamByIdV1": on_stream(),
    "getLiveStreamByIdCalendarIcsV1": on_stream(),
    "getLiveStreamMyActiveStreamV1": active_stream(),
    "getNotificationsChannelsV1": of_the_caller(lambda world, caller: Call()),
    "getLiveStreamByIdReminderV1": on_reminder(),
    "refreshAuthV1": with_refresh_token(audited=lambda owner: 0),
    "revokeAuthTokenV1": with_refresh_token(audited=lambda owner: 0 if owner == LOGGED_OUT else 1),
    "createLiveStreamByIdReminderV1": on_stream({"minute": 15}),
    "setLiveStreamByIdThumbnailV1": on_stream(),
    "startLiveStreamByIdV1": on_stream(),
    "deleteLiveStreamBanBulkByBatchidV1": on_batch(),
    "updateLiveStreamBanByIdV1": on_ban({"actionType": "CHAT_ONLY"}),
    "updateLiveStreamByIdV1": on_stream({"title": "Evening talk, moved"}),
    "updateNotificationsChannelsV1": of_the_caller(lambda world, caller: Call(body={"email": False})),
    "deleteLiveStreamBanByIdAppealV1": on_appeal(),
}
