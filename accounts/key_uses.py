"""What is signed with JWT_SIGNING_KEY for longer than a refresh token holds, named in `settings.KEY_USES`."""

from collections.abc import Iterator
from datetime import datetime

from accounts.models import Session, User
from accounts.services.roles import groups_with_tokens


def tokens_of_servers(*, signed_by: datetime, used_after: datetime) -> Iterator[str]:
    """Those that were issued until `signed_by` and hold longer than `used_after`, as an operator knows them."""
    issued = Session.objects.filter(
        user__in=User.objects.filter(is_active=True, groups__name__in=groups_with_tokens()),
        ended_at__isnull=True,
        created_at__lte=signed_by,
        expires_at__gt=used_after,
    )
    for session in issued.select_related("user").order_by("user__username", "pk"):
        yield f"{session.user.username} {session.pk} (until {session.expires_at:%Y-%m-%d})"
