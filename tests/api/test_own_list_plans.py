"""What PostgreSQL reads for lists of active and of own streams, when the caller has what all others have."""

from collections.abc import Iterator
from typing import Any

import pytest
from pytest_django import DjangoDbBlocker

from accounts.models import User
from benchmarks.growth.cases import cases
from benchmarks.growth.rows import Size
from livestreams.models import LiveStream
from tests.api.operations import document
from tests.api.test_list_plans import LIMIT, MOST_READ, faults, plans
from tests.conftest import PASSWORD, Api
from tests.databases import many_rows
from tests.envelope import data_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

# Twenty streams of each user, of which some are deleted, and forty that they watched; and twenty reports.
SIZE = Size(users=10_000, streams=200_000, bans=0, viewers=0, watched=400_000, reports=200_000)
OWN = (
    "MyUpcoming", "MyBroadcasted", "MyWatched", "StreamDeleted", "WhatsLiveNow", "Featured", "CatchStreamers",
    "MyReports",
)  # fmt: skip
OTHERS = ("MostWatched", "ByChannel", "ActiveStream")


@pytest.fixture(scope="module")
def _many(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    with many_rows(django_db_blocker, SIZE):
        yield


@pytest.fixture
def user_of_many(_many: None, db: None) -> User:
    user = User.objects.get(username="user7")
    user.set_password(PASSWORD)
    user.save()
    return user


def test_a_page_of_ones_own_reads_as_much_as_it_has(
    user_of_many: User, api: Api, monkeypatch: pytest.MonkeyPatch, subtests: pytest.Subtests
) -> None:
    client: Any = api(user_of_many)
    stream = LiveStream.objects.order_by("pk").values_list("pk", "channel_name")[0]
    ids = {"user": user_of_many.pk, "stream": stream[0], "channel": stream[1]}
    chosen = [case for case in cases(document()) if any(part in case.operation for part in (*OWN, *OTHERS))]
    assert len({case.operation for case in chosen}) == len(OWN) + len(OTHERS)

    for case in chosen:
        if case.query.get("page"):
            continue  # one's own are few
        address, query = case.call(ids)
        asked = ({"limit": LIMIT} if case.has_pages else {}) | query
        with subtests.test(case=str(case)), plans(monkeypatch, for_any=True) as seen:
            data = data_of(client.get(address, asked))
            assert [fault for plan in seen for fault in faults(plan, skipped=0, most_read=MOST_READ)] == []
            assert data or "ActiveStream" in case.operation
            if case.has_pages:
                assert data["list"], "the caller has some"
