"""What is stored about a person here: see `common.personal_data`."""

from collections.abc import Iterator

from django.db.models import Q

from accounts.models import (
    KnownAddress,
    LoginCounter,
    Media,
    PersonNote,
    RefreshedPair,
    Session,
    StaffPreferences,
    User,
)
from common.personal_data import Declaration, Elsewhere, Keep, NotPersonal, Remove, Source, TrailKeys

STAFF = "which member of staff did it"
SECRET = "a secret, or the digest of one"  # noqa: S105 - a reason
BY_USER = Elsewhere(
    "accounts.services.erase_account, at the end",
    frozenset(
        field.name
        for field in User._meta.concrete_fields
        if field.name.startswith(("username", "name", "surname", "email", "password", "identity_", "profile_photo"))
    ),
)


def declarations() -> Iterator[Declaration]:
    yield Source(
        "account",
        User,
        "pk",
        BY_USER,
        withheld={"password": SECRET, "names_folded": "made of the names", "username_key": "made of the username"},
    )
    yield Source(
        "profile_photos",
        Media,
        "",
        Elsewhere("accounts.services.erase_account, with the files", frozenset(["file", "variants"])),
        where=lambda person_id: Q(pk__in=User.objects.filter(pk=person_id).values("profile_photo")),
    )
    yield Source("roles", User.groups.through, "user", Remove())
    yield Source("permissions", User.user_permissions.through, "user", Remove())
    yield Source("preferences", StaffPreferences, "user", Remove())
    yield Source("notes_about", PersonNote, "person", Remove(), withheld={"author": STAFF, "deleted_by": STAFF})
    yield Source(
        "notes_written",
        PersonNote,
        "author",
        Keep("it is about somebody else, with whom it is erased"),
        withheld={"text": "about somebody else"},
        is_about=False,
    )
    yield Source(
        "notes_deleted",
        PersonNote,
        "deleted_by",
        Keep("the id only"),
        withheld={"text": "about somebody else"},
        is_about=False,
    )
    yield Source("sessions", Session, "user", Remove(), withheld={"refresh_id": SECRET})
    yield Source(
        "refreshed_pairs", RefreshedPair, "session__user", Remove(), withheld={"pair": SECRET, "refresh_id": SECRET}
    )
    yield Source("known_networks", KnownAddress, "user", Remove(), withheld={"address": "a keyed hash"})
    yield NotPersonal(LoginCounter, {"key": "a keyed hash of name and address; it is removed after the window"})
    yield TrailKeys(
        "user",
        names=frozenset(["username"]),
        others={
            **dict.fromkeys(["ended_sessions", "marked", "rows", "erased"], "a number"),
            **dict.fromkeys(["language", "time_zone", "stay_on_case", "webhook"], "a choice"),
            "note_id": "an id",
            **dict.fromkeys(["groups", "role", "source", "redaction"], "a name of the installation"),
        },
    )
