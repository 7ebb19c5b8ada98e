"""The list of bans in the admin: order, filters, search, and its cost."""

from typing import Any

import pytest
from django.db import connection
from django.urls import reverse

from accounts.models import User
from bans.admin import BanAdmin
from bans.models import LiveStreamBan
from common.admin import counting, described
from common.times import written
from livestreams.models import LiveStream
from tests.admin.bans.reviewing import listed
from tests.admin.conftest import Office
from tests.admin.pages import list_url, text_of

ALL = ["appealed", "ended", "ending", "silenced", "fresh", "upheld", "lifted"]


def test_bans_have_the_order_of_the_queue_and_then_the_newest_come_first(
    all_kinds: LiveStream, office: Office, moderator: User
) -> None:
    assert listed(office(moderator)) == ALL


def test_among_equal_rows_of_a_column_the_order_of_the_queue_stays(
    all_kinds: LiveStream, office: Office, moderator: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = office(moderator)
    kind = str(BanAdmin.list_display.index("kind") + 1)  # after the column of boxes
    assert listed(client, o=kind) == [*(name for name in ALL if name != "silenced"), "silenced"]

    monkeypatch.setattr(counting, "COUNTED", 5)
    assert listed(client, o=kind) == ALL
    assert "A column sorts up to 5 rows." in text_of(client.get(list_url(LiveStreamBan), {"o": kind}))


def test_pages_of_the_list_have_the_order_of_the_queue(
    all_kinds: LiveStream, office: Office, moderator: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BanAdmin, "list_per_page", 3)
    client = office(moderator)
    assert [listed(client, p=page) for page in "123"] == [ALL[:3], ALL[3:6], ALL[6:]]
    assert listed(client, waiting="any", p="2") == ALL[3:5]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"action_type__exact": "CHAT_ONLY"}, "silenced"),
        ({"waiting": "any"}, "fresh silenced ending ended appealed"),
        ({"waiting": "appeals"}, "appealed"),
        ({"waiting": "live"}, "fresh silenced ending ended"),
        ({"waiting": "rest"}, ""),
        ({"stream__creator__id__exact": "host"}, "ended lifted"),
        ({"batch": "raid"}, ""),
        ({"created_at_from_0": "2000-01-01", "created_at_to_0": "2001-01-01"}, ""),
        ({"review__exact": "upheld"}, "upheld appealed"),
        ({"holding": "yes"}, "fresh silenced appealed ending upheld"),
        ({"holding": "soon"}, "ending"),
        ({"holding": "ended"}, "ended"),
        ({"holding": "lifted"}, "lifted"),
        ({"appeal": "any"}, "appealed"),
        ({"appeal": "pending"}, "appealed"),
        ({"appeal": "denied"}, ""),
        ({"stream__id__exact": "other"}, "ended lifted"),
        ({"reviewed_by__id__exact": "moderator"}, "upheld appealed"),
        ({"q": "ENDE"}, "ended"),
        ({"q": "other"}, "ended lifted"),
        ({"q": "person"}, "fresh"),
        ({"q": "ban"}, "fresh"),
    ],
    ids=str,
)
def test_bans_are_found_by_filters_names_and_ids(
    query: dict[str, str], names: str, all_kinds: LiveStream, office: Office, moderator: User
) -> None:
    fresh = LiveStreamBan.objects.get(target__username="fresh")
    known = {
        "host": all_kinds.creator_id,
        "raid": "f" * 24,
        "other": all_kinds.pk,
        "moderator": moderator.pk,
        "person": fresh.target_id,
        "ban": fresh.pk.upper(),
    }

    found = listed(office(moderator), **{name: known.get(value, value) for name, value in query.items()})

    assert set(found) == set(names.split())


@pytest.mark.parametrize(
    ("app", "model", "field", "wanted"),
    [("bans", "livestreamban", "stream", "sohbet"), ("bans", "livestreamban", "reviewed_by", "moder")],
)
def test_the_filters_of_streams_and_reviewers_autocomplete(
    app: str, model: str, field: str, wanted: str, ban: LiveStreamBan, office: Office, moderator: User
) -> None:
    query = {"app_label": app, "model_name": model, "field_name": field, "term": wanted}
    answer = office(moderator).get(reverse("admin:autocomplete"), query)
    (text,) = [result["text"] for result in answer.json()["results"]]
    assert text == (f"Gece sohbeti · {described(ban.stream)}" if field == "stream" else "moderator")


def test_the_list_shows_stream_kind_end_review_and_reviewer(
    all_kinds: LiveStream, office: Office, moderator: User
) -> None:
    text = text_of(office(moderator).get(list_url(LiveStreamBan), {"q": "upheld"}))
    until = LiveStreamBan.objects.get(target__username="upheld").expires_at
    assert until is not None
    for part in ("Gece sohbeti", "may not watch", "holds", written(until), "upheld", "moderator"):
        assert part in text


def test_the_sidebar_counts_bans_that_wait(all_kinds: LiveStream, office: Office, moderator: User) -> None:
    page = text_of(office(moderator).get(reverse("admin:index")))
    assert "rule Review 5 gavel Bans flag" in page


# --- cost -----------------------------------------------------------------------------------------

MOST_STATEMENTS = 15
# Ids and usernames are derived from the number. Each row is the ban of another person on one stream.
FILL = """
    WITH numbers AS (
        SELECT n, decode(lpad(to_hex(n), 24, '0'), 'hex') AS id FROM generate_series(%s::int, %s::int) AS n
    ),
    people AS (
        INSERT INTO accounts_user (
            id, password, is_superuser, username, username_key, name, surname, email, availability_status, is_staff,
            is_active, created_at, updated_at, identity_issuer, identity_subject, identity_tokens_from, names_folded)
        SELECT id, '', false, 'person' || n, 'person' || n, 'P', 'Q', '', 'offline', false, true,
            now(), now(), '', '', NULL, 'person' || n || ' p q'
        FROM numbers
    ),
    bans AS (
        INSERT INTO bans_livestreamban (
            id, created_at, updated_at, action_type, reason, expires_at, review, reviewed_at, reviewed_by_id,
            created_by_id, stream_id, target_id)
        SELECT id, now() - n * interval '1 minute', now(), 'BLOCK', 'spam',
            CASE WHEN n %% 3 = 0 THEN now() + interval '1 hour' END,
            CASE WHEN n %% 2 = 0 THEN 'upheld' ELSE 'unreviewed' END,
            CASE WHEN n %% 2 = 0 THEN now() END, CASE WHEN n %% 2 = 0 THEN %s::bytea END,
            %s::bytea, %s::bytea, id
        FROM numbers
    )
    INSERT INTO bans_appeal (id, created_at, updated_at, text, state, ban_id)
    SELECT id, now(), now(), 'No.', CASE WHEN n %% 20 = 0 THEN 'pending' ELSE 'denied' END, id
    FROM numbers WHERE n %% 10 = 0
"""


def fill(first: int, last: int, stream: LiveStream, moderator: User) -> None:
    ids = [bytes.fromhex(pk) for pk in (moderator.pk, stream.creator_id, stream.pk)]
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
        cursor.execute(FILL, [first, last, *ids])
        cursor.execute("ANALYZE")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("query", "many"),
    [({}, 100_000), ({"q": "person1"}, 1_800), ({"holding": "soon", "appeal": "pending"}, 3_000)],
    ids=str,
)
def test_the_list_costs_the_same_for_a_hundred_thousand_as_for_a_few(
    query: dict[str, str], many: int, stream: LiveStream, office: Office, moderator: User,
    django_assert_max_num_queries: Any,
) -> None:  # fmt: skip
    client = office(moderator)

    def statements() -> int:
        client.get(list_url(LiveStreamBan), query)  # fills caches of the process, such as content types
        with django_assert_max_num_queries(MOST_STATEMENTS) as seen:
            assert client.get(list_url(LiveStreamBan), query).status_code == 200
        return len(seen)

    fill(1, 600, stream, moderator)  # several pages
    few = statements()
    fill(601, many, stream, moderator)

    assert statements() == few
    assert len(listed(client, **query)) == 50
