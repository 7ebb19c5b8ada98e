"""Logging in, refreshing and revoking tokens, logging out, the caller, and the profiles of users."""

from contextlib import suppress
from typing import ClassVar, cast

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import reads, services, tokens
from accounts.backends import client_of
from accounts.devices import remember_device
from accounts.hashing import LoginBusy
from accounts.login_limits import TooManyFailures
from accounts.names import LONGEST
from accounts.serializers import (
    CurrentUserSerializer,
    LoginSerializer,
    RefreshTokenSerializer,
    TokensSerializer,
    UsernameText,
    UserProfileSerializer,
    UserSearchQuery,
    UserSummarySerializer,
)
from common.refusals import Refusal
from common.schema import page_of
from common.views import SECRET, ApiViewSet

TAGS = ["Accounts"]


class TokensViewSet(ApiViewSet):
    """Operations that need no access token: login, refresh and revocation."""

    authentication_classes = ()
    permission_classes = ()
    # Their answers are secret, and whoever sent the key is unknown. A refresh can be repeated without one.
    without_key: ClassVar[frozenset[str]] = frozenset(["log_in", "refresh", "revoke"])
    refusals: ClassVar[dict[str, list[type[Refusal]]]] = {
        "log_in": [services.WrongCredentials, TooManyFailures, LoginBusy],
        "refresh": [services.RefreshTokenInvalid, services.RefreshTokenReused, services.RefreshInProgress],
        "revoke": [],
    }

    @extend_schema(
        operation_id="loginAuthV1",
        summary="Log in",
        tags=TAGS,
        request=LoginSerializer,
        responses={200: TokensSerializer},
    )
    def log_in(self, request: Request) -> Response:
        """Begin a session with a username, in any case of its letters, and a password.

        The access token goes into the `Authorization` header of other calls, the refresh token to
        `/auth/refresh` before the access token expires.

        Within 5 minutes, 10 logins may fail from one address with one username, 100 from one address, and 50 with one
        username from all addresses that have not logged in with it before; further ones are refused until
        `Retry-After` has passed. The cookie `device` of the answer distinguishes the device from others behind its
        address; clients may leave it out. When more people log in than can be served at once, `login_busy` asks to
        try again.
        """
        now, sent = timezone.now(), LoginSerializer.validated(request.data)
        session = services.log_in(**sent, now=now, client=client_of(request._request))
        pair = tokens.signed_pair(session, now=now)
        response = Response(reads.pair_of_tokens(session.user_id, pair), headers=SECRET)
        remember_device(response, session.user, request.COOKIES, path=request.path)
        return response

    @extend_schema(
        operation_id="refreshAuthV1",
        summary="Exchange a refresh token for a new pair",
        tags=TAGS,
        request=RefreshTokenSerializer,
        responses={200: TokensSerializer},
    )
    def refresh(self, request: Request) -> Response:
        """Exchange a refresh token for a new pair of tokens.

        Use the new refresh token from then on. When the answer is lost, send the same token again: for 60 seconds it
        gets the same new pair, also when several requests send it at once. Sent later, it counts as copied
        (`refresh_token_reused`): the whole session is ended, and whoever holds tokens of it has to log in again.
        Access tokens from before the refresh stay valid until they expire.

        `refresh_in_progress` means that another refresh of the same session has not finished within two seconds.
        Nothing is lost: send the same token again after `Retry-After`.
        """
        now = timezone.now()
        claims = tokens.refresh_claims(**RefreshTokenSerializer.validated(request.data), now=now)
        refreshed = services.refresh(*claims, now=now, sign=tokens.signed_pair)
        return Response(reads.pair_of_tokens(refreshed.user_id, refreshed.pair), headers=SECRET)

    @extend_schema(
        operation_id="revokeAuthTokenV1",
        summary="Revoke a refresh token",
        tags=TAGS,
        request=RefreshTokenSerializer,
        responses={200: None},
    )
    def revoke(self, request: Request) -> Response:
        """End the session that a refresh token belongs to; its access tokens stop working at once.

        A token that is not valid (any more) is answered in the same way, as RFC 7009 asks: it cannot be used,
        which is what was wanted.
        """
        sent = RefreshTokenSerializer.validated(request.data)
        now = timezone.now()
        with suppress(services.RefreshTokenInvalid):
            services.revoke(tokens.refresh_claims(**sent, now=now).session_id, now=now)
        return Response(None)


class CurrentUserViewSet(ApiViewSet):
    """The profile and the sessions of the caller."""

    # A repeat has no session any more.
    without_key: ClassVar[frozenset[str]] = frozenset(["log_out"])
    refusals: ClassVar[dict[str, list[type[Refusal]]]] = {"log_out": [], "retrieve": []}

    @extend_schema(
        operation_id="logoutAuthV1", summary="Log out everywhere", tags=TAGS, request=None, responses={200: None}
    )
    def log_out(self, request: Request) -> Response:
        """End all sessions of the caller; access tokens issued before it stop working at once."""
        claims = cast("tokens.Claims", request.auth)
        services.log_out(self.user, now=timezone.now(), issued_at=claims["iat"])
        return Response(None)

    @extend_schema(
        operation_id="getUsersMeV1",
        summary="Get the current user",
        tags=TAGS,
        responses={200: CurrentUserSerializer},
    )
    def retrieve(self, request: Request) -> Response:
        """The caller's own profile."""
        return Response(reads.current_user(self.user.pk))


class UserViewSet(ApiViewSet):
    """What callers may see of other users. Accounts that are not active are not found."""

    path_fields: ClassVar = {"username": UsernameText(max_length=LONGEST)}
    expensive = frozenset({"search"})
    refusals: ClassVar[dict[str, list[type[Refusal]]]] = {
        "profile": [services.UserMissing],
        "profile_by_username": [services.UserMissing],
        "search": [],
    }

    @extend_schema(
        operation_id="getUsersProfileByUseridV1",
        summary="Get the profile of a user",
        tags=TAGS,
        responses={200: UserProfileSerializer},
    )
    def profile(self, request: Request, userId: str) -> Response:
        """What everybody may see of a user. An account that is not active is not found."""
        return Response(reads.profile(userId))

    @extend_schema(
        operation_id="getUsersProfileUsernameByUsernameV1",
        summary="Get the profile of a user by username",
        tags=TAGS,
        responses={200: UserProfileSerializer},
    )
    def profile_by_username(self, request: Request, username: str) -> Response:
        """The same by username, in any case of its letters. An account that is not active is not found."""
        return Response(reads.profile_by_username(username))

    @extend_schema(
        operation_id="listUsersSearchV1",
        summary="Search users",
        tags=TAGS,
        parameters=[UserSearchQuery],
        responses={200: page_of(UserSummarySerializer)},
    )
    def search(self, request: Request) -> Response:
        """Active users by parts of their names, the newest first; users created at the same moment by id."""
        return reads.users(self.query(UserSearchQuery), caller=self.user.pk)
