"""The calls of reminders, notifications, devices and the own calendar in the matrix."""

from collections.abc import Callable

from django.utils import timezone

from livestreams.models import LiveStream
from reminders.models import Notification
from reminders.services import create_calendar_address, delete_calendar_address, register_device, remove_device
from tests.api.matrix.cells import Call, Inapplicable
from tests.api.matrix.kinds import ANOTHERS, ANOTHERS_DELETED, NO_OTHERS, OWN, OWN_DELETED, Rows, pairs
from tests.api.matrix.world import World


def on_reminder() -> Rows:
    """Own is the caller's reminder on another's stream. Another's is a stream on which only others have reminders."""
    return {
        OWN: lambda world, caller: Call({"id": world.planned[world.another(caller)].pk}),
        ANOTHERS: lambda world, caller: Call({"id": world.awaited.pk}),
        OWN_DELETED: lambda world, caller: Call({"id": world.deleted[world.another(caller)].pk}),
        ANOTHERS_DELETED: lambda world, caller: Call({"id": world.awaited_deleted.pk}),
    }


def my_reminders() -> Rows:
    def shown(stream: LiveStream) -> Call:
        return Call(query="limit=100", shows=stream.pk)

    return {
        OWN: lambda world, caller: shown(world.planned[world.another(caller)]),
        ANOTHERS: lambda world, caller: shown(world.awaited),
        OWN_DELETED: lambda world, caller: shown(world.deleted[world.another(caller)]),
        ANOTHERS_DELETED: lambda world, caller: shown(world.awaited_deleted),
    }


def on_notice(of: Callable[[Notification], Call]) -> Rows:
    """A deleted notification is one of a deleted stream."""
    return pairs(
        lambda world, caller, owner: of(world.notices[owner]),
        lambda world, caller, owner: of(world.notices_of_deleted[owner]),
    )


# --- devices --------------------------------------------------------------------------------------

TOKEN = "fcm:APA91bHPRgkF3JUikC4E"


def registering() -> Rows:
    """Another's is a token that another user has registered: it moves to the caller."""

    def of_another(world: World, caller: str) -> Call:
        other = world.user(world.another(caller))
        return Call(
            body={"token": TOKEN, "platform": "ios"},
            prepare=lambda: register_device(by=other, now=timezone.now(), token=TOKEN, platform="ios"),
        )

    return {
        OWN: lambda world, caller: Call(body={"token": TOKEN, "platform": "ios"}),
        ANOTHERS: of_another,
        OWN_DELETED: Inapplicable("a removed token is registered as a new one"),
        ANOTHERS_DELETED: Inapplicable("a removed token belongs to nobody"),
    }


def on_device() -> Rows:
    def device(world: World, owner: str, *, removed: bool = False) -> Call:
        ids: dict[str, str] = {}
        user = world.user(owner)

        def prepare() -> None:
            now = timezone.now()
            ids["id"] = register_device(by=user, now=now, token=TOKEN, platform="ios").pk
            if removed:
                remove_device(ids["id"], by=user, now=now)

        return Call(ids, prepare=prepare)

    return pairs(
        lambda world, caller, owner: device(world, owner),
        lambda world, caller, owner: device(world, owner, removed=True),
    )


# --- the own calendar -----------------------------------------------------------------------------


def on_address() -> Rows:
    def address(world: World, caller: str, *, revoked: bool = False) -> Call:
        user = world.user(caller)

        def prepare() -> None:
            create_calendar_address(by=user, now=timezone.now())
            if revoked:
                delete_calendar_address(by=user, now=timezone.now())

        return Call(prepare=prepare)

    return {
        OWN: address,
        ANOTHERS: NO_OTHERS,
        OWN_DELETED: lambda world, caller: address(world, caller, revoked=True),
        ANOTHERS_DELETED: NO_OTHERS,
    }
