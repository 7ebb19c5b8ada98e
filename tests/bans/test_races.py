"""Concurrent bans and lifts: exactly one succeeds, and the others are refused. Constraints of the database."""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from accounts.models import User
from bans import services
from bans.models import LiveStreamBan
from common.models import AuditEntry
from common.refusals import Refusal
from tests.bans.people import make_ban, permitted
from tests.conftest import make_user
from tests.races import at_once
from tests.streams import make_stream


def outcome(call: Callable[[], object]) -> str:
    try:
        call()
    except Refusal as refusal:
        return refusal.code
    return "done"


@pytest.mark.django_db(transaction=True)
def test_of_fifty_bans_of_one_person_one_is_made() -> None:
    creator, viewer = make_user("creator"), make_user("viewer")
    stream = make_stream(creator)

    outcomes = at_once(50, lambda _: outcome(lambda: make_ban(viewer, stream)))

    assert Counter(outcomes) == {"done": 1, "already_banned": 49}
    assert LiveStreamBan.objects.count() == 1
    assert AuditEntry.objects.filter(action="ban_user").count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_fifty_lifts_one_succeeds_and_is_recorded() -> None:
    creator, viewer = make_user("creator"), make_user("viewer")
    ban = make_ban(viewer, make_stream(creator))
    moderators = [permitted(f"mod{number}", "moderate") for number in range(50)]

    def lift(number: int) -> str:
        by: User = moderators[number]
        return outcome(lambda: services.lift_ban(ban.pk, by=by, now=timezone.now()))

    outcomes = at_once(50, lift)

    assert Counter(outcomes) == {"done": 1, "ban_already_lifted": 49}
    ban.refresh_from_db()
    assert ban.deleted_by == moderators[outcomes.index("done")]


def test_the_database_refuses_a_second_holding_ban(creator: User, viewer: User) -> None:
    stream = make_stream(creator)
    now = timezone.now()
    ban = make_ban(viewer, stream, expires_at=now + timedelta(hours=1))
    copy = LiveStreamBan.objects.get(pk=ban.pk)
    copy.pk = "0" * 24
    copy.created_at = now + timedelta(minutes=59)

    with pytest.raises(IntegrityError, match="ban_one_holding"), transaction.atomic():
        copy.save(force_insert=True)
    copy.created_at = now + timedelta(hours=1)
    copy.expires_at = None
    copy.save(force_insert=True)
    assert LiveStreamBan.objects.count() == 2


@pytest.mark.parametrize(
    "change",
    [
        "expires_at = created_at",
        "created_by_id = target_id",
        "deleted_by_id = created_by_id",
        "review = 'upheld'",
        "reviewed_at = now()",
    ],
)
def test_check_constraints_refuse_impossible_bans(change: str, creator: User, viewer: User) -> None:
    ban = make_ban(viewer, make_stream(creator))

    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"UPDATE bans_livestreamban SET {change} WHERE id = %s", [bytes.fromhex(ban.pk)])
