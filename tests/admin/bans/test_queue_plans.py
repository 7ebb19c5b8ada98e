"""What PostgreSQL reads for the queue and for the list of bans: as much as a page has, with 200,000 bans that wait."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import DjangoDbBlocker

from accounts.models import User
from bans.admin.queue import Scope, next_ban
from bans.models import LiveStreamBan
from bans.queue import Queue
from benchmarks.growth.rows import Size
from livestreams.models import LiveStream
from tests.admin.bans.queue_world import make_moderator
from tests.admin.conftest import Office
from tests.admin.pages import list_url
from tests.admin.plans import plans_of
from tests.api.test_list_plans import faults
from tests.databases import many_rows

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

# Three bans in five wait, nearly all in the last queue. One stream in a hundred is live.
SIZE = Size(users=50_000, streams=20_000, bans=200_000)
MOST_READ = 8_000  # rows: the bans of 200 live streams, and those between them that are not offered
ENDING = (
    "UPDATE bans_livestreamban SET expires_at = now() + interval '30 minutes' WHERE abs(hashtext(id::text)) % 400 = 0"
)
SETTLED = """
    UPDATE bans_livestreamban SET review = 'upheld', reviewed_by_id = created_by_id, reviewed_at = now()
    WHERE abs(hashtext(id::text)) % 5 = 1
"""


@pytest.fixture(scope="module")
def _many(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    with many_rows(django_db_blocker, SIZE) as cursor:
        cursor.execute(ENDING)
        cursor.execute(SETTLED)
        cursor.execute("ANALYZE bans_livestreamban")
        yield


@pytest.fixture
def melis(_many: None, db: None) -> User:
    return make_moderator()


def faults_of(call: Callable[[], Any]) -> list[str]:
    """What is wrong with the plans of the statements about bans, with the SQL of each."""
    with CaptureQueriesContext(connection) as captured:
        call()
    found = []
    for sql, plan in plans_of(captured):
        if "bans_livestreamban" in sql:
            found += [f"{fault}: {sql}" for fault in faults(plan, skipped=0, most_read=MOST_READ)]
    return found


def test_the_next_ban_is_found_by_the_index_of_its_queue(melis: User, subtests: pytest.Subtests) -> None:
    now = timezone.now()
    rest = LiveStreamBan.objects.in_queue(Queue.REST, now)[0]
    creator = LiveStream.all_objects.get(pk=rest.stream_id).creator_id
    LiveStreamBan.objects.filter(stream=rest.stream_id).update(batch_id="b" * 24)
    scopes = [Scope(), *(Scope(queue=queue) for queue in Queue), Scope(creator=creator), Scope(batch="b" * 24)]
    skipped = list(LiveStreamBan.objects.in_queue(Queue.APPEALS, now).values_list("pk", flat=True)[:200])
    for scope in scopes:
        for known in ([], skipped):
            with subtests.test(scope=str(scope), skipped=len(known)):
                assert next_ban(scope, by=melis, now=now, skipped=known) is not None
                assert faults_of(lambda: next_ban(scope, by=melis, now=now, skipped=known)) == []  # noqa: B023


@pytest.mark.parametrize(
    "query",
    [
        {}, {"p": "5"}, {"waiting": "any"}, {"waiting": "appeals"}, {"waiting": "live"}, {"waiting": "ending"},
        {"waiting": "rest"}, {"review__exact": "upheld"}, {"action_type__exact": "CHAT_ONLY"},
    ],
    ids=str,
)  # fmt: skip
def test_a_page_of_the_list_reads_as_much_as_it_has(query: dict[str, str], melis: User, office: Office) -> None:
    client = office(melis)
    assert len(client.get(list_url(LiveStreamBan), query).context["cl"].result_list) == 50
    assert faults_of(lambda: client.get(list_url(LiveStreamBan), query)) == []


def test_the_page_of_a_ban_reads_as_much_as_it_shows(melis: User, office: Office) -> None:
    client = office(melis)
    address = client.get("/admin/bans/review/").headers["Location"]
    assert faults_of(lambda: client.get(address)) == []
