"""What PostgreSQL reads for searches and pages of people, with 200,000 people, streams and bans."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pytest_django import DjangoDbBlocker

from accounts.models import User
from bans.models import LiveStreamBan
from benchmarks.growth.rows import Size
from common.admin.panels import panels_of
from common.word_search import FEW
from livestreams.models import LiveStream
from tests.admin.conftest import Office, permit
from tests.admin.pages import list_url, page_url
from tests.admin.plans import plans_of
from tests.api.test_list_plans import GROWING, nodes, rows_read
from tests.conftest import make_user
from tests.databases import many_rows

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

# A first name has 25,000 people, a full name 5,000, a username one.
SIZE = Size(users=200_000, streams=200_000, bans=200_000)
RARE, COMMON, TOGETHER, MISSING = "user12345", "ada", "demir ada", "zzz"
TITLES = ["12345", "concert history", "concert ada 1234"]
# Two words are tried, each in two tables, and the rows of the list that have what was found; twice for its count.
MOST_READ = 25 * FEW
STAFF = ("view_user", "view_livestream", "view_livestreamban", "moderate", "view_personnote", "view_auditentry")


@pytest.fixture(scope="module")
def _many(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    with many_rows(django_db_blocker, SIZE):
        yield


@pytest.fixture
def client_of_moderator(_many: None, db: None, office: Office) -> Client:
    return office(permit(make_user("defne", is_staff=True), (*STAFF, "view_session")))


def faults_of(client: Client, address: str, query: dict[str, str]) -> list[str]:
    """Sequential scans of tables that grow, and statements that read too much."""
    client.get(address, query)
    with CaptureQueriesContext(connection) as captured:
        assert client.get(address, query).status_code == 200
    found = ["more than 15 statements"] if len(captured) > 15 else []
    for sql, plan in plans_of(captured):
        read = 0.0
        for node, _counting in nodes(plan):
            if node.get("Relation Name") in GROWING:
                read += rows_read(node)
                # Of the appeals there are a tenth as many as of the bans.
                if node["Node Type"] == "Seq Scan" and rows_read(node) > MOST_READ:
                    found.append(f"a sequential scan of {node['Relation Name']}: {sql[:300]}")
        if read > MOST_READ:
            found.append(f"{read:.0f} rows read: {sql[:300]}")
    return found


@pytest.mark.parametrize("text", ["", RARE, COMMON, TOGETHER, "ada user123", "12", MISSING, "a@b.c"])
def test_people_are_found_by_an_index(text: str, client_of_moderator: Client) -> None:
    assert faults_of(client_of_moderator, list_url(User), {"q": text}) == []


@pytest.mark.parametrize(
    "query", [{"is_staff__exact": "1"}, {"is_active__exact": "0"}, {"o": "-1"}, {"o": "4"}], ids=str
)
def test_filters_and_orders_of_people_have_an_index(query: dict[str, str], client_of_moderator: Client) -> None:
    assert faults_of(client_of_moderator, list_url(User), query) == []


@pytest.mark.parametrize("text", [RARE, COMMON, TOGETHER, *TITLES, "channel-77", "zz", MISSING])
@pytest.mark.parametrize("model", [LiveStream, LiveStreamBan])
def test_streams_and_bans_are_found_from_people_and_titles(
    model: type[Any], text: str, client_of_moderator: Client
) -> None:
    assert faults_of(client_of_moderator, list_url(model), {"q": text}) == []


@pytest.mark.parametrize("text", [RARE, COMMON, TOGETHER, *TITLES, "zz", MISSING])
def test_the_palette_reads_little(text: str, client_of_moderator: Client) -> None:
    assert faults_of(client_of_moderator, reverse("admin:search"), {"s": text}) == []


@pytest.mark.parametrize("tab", [panel.name for panel in panels_of(User)])
def test_the_page_of_a_person_reads_what_it_shows(tab: str, client_of_moderator: Client) -> None:
    person = User.objects.get(username="user100")
    assert faults_of(client_of_moderator, page_url(person), {"tab": tab}) == []


@pytest.mark.parametrize("text", ["", RARE, COMMON, TOGETHER, "concert history"])
def test_the_streams_to_ban_from_are_found_by_an_index(text: str, client_of_moderator: Client) -> None:
    person = User.objects.get(username="user100")
    assert faults_of(client_of_moderator, reverse("admin:ban_person", args=[person.pk]), {"find": text}) == []
