"""Claims: which moderator is looking at a ban that waits for a review.

A claim keeps two moderators from working on the same ban. It decides nothing: `review_ban` does not ask for it, and a
verdict without a claim is valid. So claims are not audited; taking one over is, because somebody loses it.
"""

from datetime import datetime

from django.conf import settings
from django.db import connection, transaction
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from bans.models import LiveStreamBan, ReviewClaim
from bans.services.appeals import BanMissing
from common import audit
from common.refusals import Conflict

# One statement, so that of two moderators who take a free ban at the same moment exactly one gets it.
_TAKE = """
    INSERT INTO bans_reviewclaim (ban_id, moderator_id, claimed_at, until)
    SELECT id, %(moderator)s, %(now)s, %(until)s FROM bans_livestreamban WHERE id = %(ban)s
    ON CONFLICT (ban_id) DO UPDATE SET
        moderator_id = excluded.moderator_id,
        until = GREATEST(excluded.until, bans_reviewclaim.until),
        claimed_at = CASE WHEN bans_reviewclaim.moderator_id = excluded.moderator_id
            THEN bans_reviewclaim.claimed_at ELSE excluded.claimed_at END
    WHERE bans_reviewclaim.moderator_id = excluded.moderator_id OR bans_reviewclaim.until <= excluded.claimed_at
    RETURNING ban_id
"""


ATTEMPTS = 3  # to take a claim that others release at the same moment


class BanClaimed(Conflict):
    code = "ban_claimed"
    message = _("another moderator is looking at this ban")


class ClaimMissing(Conflict):
    code = "ban_not_claimed"
    message = _("nobody else is looking at this ban")


def take_claim(ban_id: str, *, by: User, now: datetime) -> None:
    """Claim a ban for `settings.REVIEW_CLAIM`, or renew the claim that `by` has.

    Raises BanClaimed while somebody else has a claim, and BanMissing.
    """
    values = {name: bytes.fromhex(pk) for name, pk in (("moderator", by.pk), ("ban", ban_id))}
    for _attempt in range(ATTEMPTS):
        with connection.cursor() as cursor:
            cursor.execute(_TAKE, {**values, "now": now, "until": now + settings.REVIEW_CLAIM})
            if cursor.fetchone() is not None:
                return
        if ReviewClaim.objects.filter(ban=ban_id).exists():
            break
        if not LiveStreamBan.all_objects.filter(pk=ban_id).exists():
            raise BanMissing
        # The other claim was released between the two statements.
    raise BanClaimed


def release_claim(ban_id: str, *, by: User, now: datetime) -> None:
    """Give up the claim that `by` has on the ban, if any. Claims of `by` that have run out are removed, too."""
    own = ReviewClaim.objects.filter(moderator=by)
    (own.filter(ban=ban_id) | own.filter(until__lte=now)).delete()


@transaction.atomic
def take_over_claim(ban_id: str, *, by: User, now: datetime) -> ReviewClaim:
    """Take a ban from the moderator who is looking at it. Raises BanMissing, ClaimMissing.

    The audit row names both. ClaimMissing also means that the ban does not wait for a review any more.
    """
    ban = LiveStreamBan.all_objects.locked(ban_id, otherwise=BanMissing)
    if not LiveStreamBan.all_objects.waiting(now).filter(pk=ban.pk).exists():
        raise ClaimMissing
    claim = ReviewClaim.objects.select_for_update().filter(ban=ban).first()
    if claim is None or claim.until <= now or claim.moderator_id == by.pk:
        raise ClaimMissing
    before = {"moderator": claim.moderator.get_username()}
    claim.moderator, claim.claimed_at, claim.until = by, now, now + settings.REVIEW_CLAIM
    claim.save(update_fields=["moderator", "claimed_at", "until"])
    audit.record("take_over_claim", ban, by=by, now=now, before=before, after={"moderator": by.get_username()})
    return claim
