"""The twelve callers. Each passes the real authentication with a token of a real session."""

from dataclasses import dataclass

from django.contrib.auth.models import Group, Permission
from django.utils import timezone

from accounts import services, tokens
from accounts.models import Session, User

NOBODY = "nobody"
VIEWER = "viewer"
CREATOR = "creator"
ANOTHER_CREATOR = "another creator"
GUEST = "guest"
BANNED = "banned viewer"
MODERATOR = "moderator"
SERVICE = "service account"
ADMIN = "admin"
DEACTIVATED = "deactivated user"
LOGGED_OUT = "logged-out token"

CALLERS = (
    NOBODY,
    VIEWER,
    "another viewer",
    CREATOR,
    ANOTHER_CREATOR,
    GUEST,
    BANNED,
    MODERATOR,
    SERVICE,
    ADMIN,
    DEACTIVATED,
    LOGGED_OUT,
)
PEOPLE = CALLERS[1:]
# Their tokens are refused.
WITHOUT_SESSION = (DEACTIVATED, LOGGED_OUT)


@dataclass(frozen=True)
class Person:
    """A user with a session, and its two tokens. The sessions of WITHOUT_SESSION have ended."""

    user: User
    session: Session
    access: str
    refresh: str
    password: str

    @property
    def pk(self) -> str:
        return self.user.pk


def person(name: str) -> Person:
    """A user called `name` who has just logged in."""
    word, now = name.replace(" ", "-"), timezone.now()
    password = f"the password of {name}"
    user = User.objects.create_user(word, password, name=name.title(), email=f"mail-of-{word}@private.example")
    session = services.log_in(word, password, now=now)
    access, refresh = tokens.AccessToken.of(session, now=now), tokens.RefreshToken.of(session, now=now)
    return Person(user, session, str(access), str(refresh), password)


def give_rights(people: dict[str, Person]) -> None:
    """Grant the rights that the names of the callers imply. Called after the bans, because staff cannot be banned."""
    admin, moderator = people[ADMIN].user, people[MODERATOR].user
    User.objects.filter(pk=admin.pk).update(is_superuser=True, is_staff=True)
    User.objects.filter(pk=moderator.pk).update(is_staff=True)
    moderator.groups.add(Group.objects.get(name="Moderators"))
    people[SERVICE].user.user_permissions.add(Permission.objects.get(codename="enforce"))
    User.objects.filter(pk=people[DEACTIVATED].pk).update(is_active=False)
    services.log_out(people[LOGGED_OUT].user, now=timezone.now())
    for each in people.values():
        # Clears the permission cache.
        each.user.refresh_from_db()
