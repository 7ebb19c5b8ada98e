"""The objects of the cells: for each person the same ones, living and deleted."""

from dataclasses import dataclass, field

from django.utils import timezone

from accounts.models import User
from bans.models import LiveStreamBan
from edges.services.join_keys import signing_key
from livestreams import services as streams
from livestreams.models import LiveStream, Status
from reminders.models import Kind, Notification
from tests.api.matrix.callers import (
    ANOTHER_CREATOR,
    BANNED,
    CREATOR,
    GUEST,
    NOBODY,
    PEOPLE,
    Person,
    give_rights,
    person,
)
from tests.bans.people import make_ban
from tests.reminders.asking import remind
from tests.streams import make_stream

# In the title of each deleted stream: no response may contain it.
WITHDRAWN = "Withdrawn"


class NobodyOwnsNothing(LookupError):
    """There is no such call: it would name an object of NOBODY."""


class Owned[T](dict[str, T]):
    """Objects by the name of their owner."""

    def __missing__(self, name: str) -> T:
        raise NobodyOwnsNothing if name == NOBODY else KeyError(name)


@dataclass
class World:
    """Objects by the name of their owner. `host`, `bystander` and `troublemaker` are not callers.

    A creator's stream has a GUEST and bans the BANNED viewer; so does a deleted one.
    """

    people: Owned[Person] = field(default_factory=Owned)
    host: User = field(default_factory=User)
    bystander: User = field(default_factory=User)  # nobody has banned them
    troublemaker: User = field(default_factory=User)
    # Streams that the person created.
    planned: Owned[LiveStream] = field(default_factory=Owned)
    ended: Owned[LiveStream] = field(default_factory=Owned)
    deleted: Owned[LiveStream] = field(default_factory=Owned)
    # Streams of the host in which the person is the guest.
    guested: Owned[LiveStream] = field(default_factory=Owned)
    guested_deleted: Owned[LiveStream] = field(default_factory=Owned)
    # Bans of the troublemaker from the person's streams.
    bans: Owned[LiveStreamBan] = field(default_factory=Owned)
    bans_of_deleted: Owned[LiveStreamBan] = field(default_factory=Owned)
    # Bans of the person from streams of the host.
    against: Owned[LiveStreamBan] = field(default_factory=Owned)
    against_on_deleted: Owned[LiveStreamBan] = field(default_factory=Owned)
    # Notifications of the person about streams of the host.
    notices: Owned[Notification] = field(default_factory=Owned)
    notices_of_deleted: Owned[Notification] = field(default_factory=Owned)
    # Streams of the host on which the bystander has a reminder and no caller has one.
    awaited: LiveStream = field(default_factory=LiveStream)
    awaited_deleted: LiveStream = field(default_factory=LiveStream)
    # By name of the person: texts that no other caller may read.
    secrets: dict[str, set[str]] = field(default_factory=dict)
    # The ids and titles of deleted streams, which no response may contain.
    withdrawn: set[str] = field(default_factory=set)

    def another(self, name: str) -> str:
        """The owner of another's objects for this caller."""
        return ANOTHER_CREATOR if name == CREATOR else CREATOR

    def user(self, name: str) -> User:
        return self.people[name].user

    def authorization(self, name: str) -> str | None:
        return None if name == NOBODY else f"Bearer {self.people[name].access}"


def build() -> World:
    world = World()
    world.people |= {name: person(name) for name in PEOPLE}
    world.host, world.bystander, world.troublemaker = (
        User.objects.create_user(name, email=f"{name}@private.example")
        for name in ("host", "bystander", "troublemaker")
    )
    signing_key(timezone.now())  # once, because a cell would roll it back
    for name in PEOPLE:
        _streams_of(world, name)
    _guests(world)
    _reminders(world)
    _bans(world)
    _notices(world)
    _delete(world)
    give_rights(world.people)
    _collect_private_texts(world)
    return world


def _streams_of(world: World, name: str) -> None:
    user = world.user(name)
    guest = world.user(GUEST) if name in (CREATOR, ANOTHER_CREATOR) else None
    # Accepted, so that joining changes nothing.
    world.planned[name] = make_stream(user, guest=guest, answer="accepted", title=f"Evening talk of {name}")
    world.ended[name] = make_stream(user, Status.ENDED, guest=guest)
    world.deleted[name] = make_stream(user, guest=guest, title=f"{WITHDRAWN} by {name}")


def _guests(world: World) -> None:
    for name in PEOPLE:
        guest = world.user(name)
        world.guested[name] = make_stream(world.host, guest=guest)
        world.guested_deleted[name] = make_stream(world.host, guest=guest, title=f"{WITHDRAWN} from {name}")


def _reminders(world: World) -> None:
    """Each person has a reminder on another's stream and on one that is deleted."""
    for name in PEOPLE:
        for stream in (world.planned[world.another(name)], world.deleted[world.another(name)]):
            remind(world.user(name), stream, minute=10)
    world.awaited = make_stream(world.host)
    world.awaited_deleted = make_stream(world.host, title=f"{WITHDRAWN} from its followers")
    for stream in (world.awaited, world.awaited_deleted):
        remind(world.bystander, stream, minute=10)


def _bans(world: World) -> None:
    fenced = make_stream(world.host)
    fenced_deleted = make_stream(world.host, title=f"{WITHDRAWN} from the banned")
    for name in PEOPLE:
        world.bans[name] = make_ban(world.troublemaker, world.planned[name])
        world.bans_of_deleted[name] = make_ban(world.troublemaker, world.deleted[name])
        world.against[name] = make_ban(world.user(name), fenced)
        world.against_on_deleted[name] = make_ban(world.user(name), fenced_deleted)
    for name in (CREATOR, ANOTHER_CREATOR):
        for stream in (world.planned[name], world.deleted[name]):
            make_ban(world.user(BANNED), stream)


def _notices(world: World) -> None:
    aired, aired_deleted = make_stream(world.host), make_stream(world.host, title=f"{WITHDRAWN} from its recipients")
    for name in PEOPLE:
        world.notices[name], world.notices_of_deleted[name] = (
            Notification.objects.create(
                user=world.user(name),
                stream=stream,
                kind=Kind.REMINDER,
                minute=15,
                planned_start_at=stream.planned_start_at,
                created_at=timezone.now(),
            )
            for stream in (aired, aired_deleted)
        )


def _delete(world: World) -> None:
    for stream in LiveStream.objects.filter(title__startswith=WITHDRAWN).select_related("creator"):
        streams.delete_stream(stream.pk, by=stream.creator, now=timezone.now())


def _collect_private_texts(world: World) -> None:
    for user in (world.host, world.bystander, world.troublemaker):
        world.secrets[user.username] = {user.email}
    for name, each in world.people.items():
        notices = {world.notices[name].pk, world.notices_of_deleted[name].pk}
        world.secrets[name] = {each.user.email, each.session.pk, each.session.refresh_id} | notices
    deleted = LiveStream.all_objects.filter(deleted_at__isnull=False)
    world.withdrawn = {WITHDRAWN, *deleted.values_list("pk", flat=True)}
