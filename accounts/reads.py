"""Users and their tokens as the API returns them."""

from typing import Any

from accounts import tokens
from accounts.models import User
from accounts.serializers import CurrentUserSerializer, UserSummarySerializer
from accounts.services import Pair
from common.queries import ID, Param, Question

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
