"""Authentication by the access token in the Authorization header."""

from django.db.models import CharField, F, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from accounts import services, tokens
from accounts.identity import ProviderUnavailable
from accounts.models import User
from accounts.tokens import Claims, TokenExpired, TokenInvalid
from common.bearer import bearer_token
from common.queries import ID, Param, Question
from common.refusals import Unauthenticated
from common.replica.last_writes import with_last_lsn
from common.replica.state import is_configured as is_replica_configured

COLUMNS = ("id", "username", "is_staff", "is_superuser", "is_active", "identity_issuer")


class SessionEnded(Unauthenticated):
    code = "session_ended"
    message = _("the session of this access token has ended; log in again")


def _of_session(has_replica: bool) -> QuerySet[User]:
    """With `has_replica`, with the position of the last write of the user."""
    found = User.objects.filter(
        pk=Param("user", ID),
        is_active=True,
        sessions__pk=Param("session", ID),
        sessions__ended_at__isnull=True,
    ).only(*COLUMNS)
    return with_last_lsn(found, caller=Param("user", ID), is_asked=has_replica)


def _of_identity(has_replica: bool) -> QuerySet[User]:
    """`has_replica` as above."""
    found = User.objects.filter(
        identity_issuer=Param("issuer", CharField()), identity_subject=Param("subject", CharField())
    ).only(*COLUMNS, "identity_tokens_from")
    return with_last_lsn(found, caller=F("pk"), is_asked=has_replica)


USER_OF_SESSION = Question(_of_session)
USER_OF_IDENTITY = Question(_of_identity)


class TokenAuthentication(BaseAuthentication):
    """All requests and threads share one instance, so it has no state."""

    refusals = (TokenInvalid, TokenExpired, SessionEnded, ProviderUnavailable)

    def authenticate(self, request: Request) -> tuple[User, Claims] | None:
        meta = request._request.META
        if "HTTP_AUTHORIZATION" not in meta:
            return None
        token = bearer_token(meta)
        if not token:
            raise TokenInvalid
        claims = tokens.verified(token, now=timezone.now())
        user = _identity_user(claims) if tokens.is_provider_token(claims) else _session_user(claims)
        return user, claims

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


def _session_user(claims: Claims) -> User:
    user: User | None = USER_OF_SESSION.instance(is_replica_configured(), user=claims["sub"], session=claims["sid"])
    if user is None:
        raise SessionEnded
    return user


def _identity_user(claims: Claims) -> User:
    user: User | None = USER_OF_IDENTITY.instance(is_replica_configured(), issuer=claims["iss"], subject=claims["sub"])
    if user is None:
        user = services.user_of_identity(claims, now=timezone.now())
    if not user.is_active or services.logged_out_since(user, issued_at=claims["iat"]):
        raise SessionEnded
    return user
