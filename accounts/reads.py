"""Users and their tokens as the API returns them."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.db.models import F
from django.utils.translation import gettext as _
from rest_framework.response import Response

from accounts import tokens
from accounts.models import PersonNote, User
from accounts.serializers import CurrentUserSerializer, UserProfileSerializer, UserSummarySerializer
from accounts.services import Pair, UserMissing, may_delete_note
from common.orders import Order
from common.pagination import Listing
from common.queries import ID, TEXT, Param, Question
from common.word_search import Search

# --- the caller -----------------------------------------------------------------------------------

_USER = Question(lambda columns: User.objects.filter(pk=Param("id", ID)).values_list(*columns))


def current_user(user_id: str) -> dict[str, Any]:
    """The profile of a user with what only the user may see."""
    (row,) = _USER.rows(CurrentUserSerializer.columns(), id=user_id)
    return CurrentUserSerializer.to_wire(row)


def session_of_claims(claims: tokens.Claims) -> str | None:
    """The id of the session that an access token names; None for a token of the identity provider, which has none."""
    session_id: str | None = None if tokens.is_provider_token(claims) else claims["sid"]
    return session_id


def pair_of_tokens(user_id: str, pair: Pair) -> dict[str, Any]:
    """A pair of tokens with their lifetimes in seconds, and the user whom they belong to."""
    (row,) = _USER.rows(UserSummarySerializer.columns(), id=user_id)
    return {
        "accessToken": pair.access,
        "refreshToken": pair.refresh,
        "expiresIn": int(tokens.AccessToken.lifetime.total_seconds()),
        "refreshExpiresIn": int(tokens.RefreshToken.lifetime.total_seconds()),
        "user": UserSummarySerializer.to_wire(row),
    }


# --- others ---------------------------------------------------------------------------------------

_PROFILE = Question(
    lambda: User.objects.active().filter(pk=Param("id", ID)).values_list(*UserProfileSerializer.columns())
)
_PROFILE_BY_USERNAME = Question(
    lambda: User.objects.active().filter(username_key=Param("key", TEXT)).values_list(*UserProfileSerializer.columns())
)
USERS = Listing(
    "users",
    UserSummarySerializer,
    User.objects.active,
    values={},
    orders={"createdAt": Order(F("created_at"))},
    search=Search(User.objects.active, text="names_folded", walked=2_500),
    from_replica=True,
)


def profile(user_id: str) -> dict[str, Any]:
    """What everybody may see of an active user. Raises UserMissing."""
    return _profile(_PROFILE.rows(id=user_id))


def profile_by_username(username: str) -> dict[str, Any]:
    """The same by username, in any normal form and any case of its letters. Raises UserMissing."""
    return _profile(_PROFILE_BY_USERNAME.rows(key=User.key_of(username)))


def _profile(rows: list[list[Any]]) -> dict[str, Any]:
    if not rows:
        raise UserMissing
    return UserProfileSerializer.to_wire(rows[0])


def users(query: Mapping[str, Any], *, caller: str) -> Response:
    """Active users whose names have the words of `search`, the newest first."""
    return USERS.page(query, caller=caller)


# --- notes of staff -------------------------------------------------------------------------------


def notes_of(person_id: str, *, by: User, most: int, back: str = "") -> dict[str, Any]:
    """The variable `notes` of the template `admin/people/notes.html`: the newest notes about a person.

    `by` reads them, and may delete some. `back` is the address of the page that shows them, if it is not the person's.
    One statement.
    """
    if person_id == by.pk:
        return notes_shown([], by=by) | {"empty": _("Notes about you are not shown to you.")}
    newest = PersonNote.objects.filter(person=person_id).select_related("author").order_by("-created_at", "-id")
    return notes_shown(newest[:most], by=by, back=back)


def notes_shown(notes: Iterable[PersonNote], *, by: User, back: str = "") -> dict[str, Any]:
    """The same of given notes, which have been read with their authors."""
    return {
        "rows": [(note, may_delete_note(note, by=by)) for note in notes],
        "back": back,
        "empty": _("There are no notes about this person."),
        "delete_text": _("Delete"),
        "confirm_text": _("Delete this note"),
    }
