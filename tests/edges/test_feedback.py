"""POST and GET /api/v1/live-stream/{id}/feedback"""

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from accounts.models import User
from common.models import AuditEntry
from common.refusals import Refusal
from common.times import wire_time
from edges import services
from edges.models import Feedback, FeedbackCount
from livestreams.models import LiveStream, Status
from livestreams.services import delete_stream, end_stream, restore_stream
from tests.api.test_list_plans import nodes, plans, rows_read
from tests.bans.people import make_ban, permitted
from tests.conftest import Api, make_user
from tests.edges.feedback import feedback_url, gave, watched
from tests.envelope import assert_refused, data_of
from tests.races import at_once
from tests.streams import STREAMS, make_stream
from tests.test_statements import statements

COMMENT = "Çok güzeldi!\nTeşekkürler."
UNKNOWN = f"{STREAMS}/{'0' * 24}/feedback"


@pytest.fixture
def stream(creator: User, viewer: User) -> LiveStream:
    """It has ended, and the viewer watched it."""
    return watched(creator, viewer)


# --- POST -----------------------------------------------------------------------------------------


def test_a_viewer_gives_feedback(api: Api, viewer: User, stream: LiveStream) -> None:
    data = data_of(api(viewer).post(feedback_url(stream), {"rating": 4, "comment": COMMENT}), 201)

    feedback = Feedback.objects.get()
    assert data == {
        "_id": feedback.pk,
        "streamId": stream.pk,
        "rating": 4,
        "comment": COMMENT,
        "createdAt": wire_time(feedback.created_at),
    }
    assert list(data) == ["_id", "streamId", "rating", "comment", "createdAt"]
    assert feedback.user_id == viewer.pk
    entry = AuditEntry.objects.get(action="give_feedback")
    assert (entry.target_id, entry.target_type, entry.actor_id) == (feedback.pk, "feedback", viewer.pk)
    assert entry.after == {"stream_id": stream.pk, "rating": 4, "comment": COMMENT}


@pytest.mark.parametrize("sent", [{"rating": 5}, {"rating": 5, "comment": None}])
def test_a_comment_may_be_left_out(sent: dict[str, Any], api: Api, viewer: User, stream: LiveStream) -> None:
    assert data_of(api(viewer).post(feedback_url(stream), sent), 201)["comment"] is None


def test_feedback_is_given_once(api: Api, viewer: User, stream: LiveStream) -> None:
    client = api(viewer)
    data_of(client.post(feedback_url(stream), {"rating": 1}), 201)
    assert_refused(client.post(feedback_url(stream), {"rating": 5}), 409, "feedback_already_given")
    assert FeedbackCount.objects.values_list("rated_1", "rated_5").get() == (1, 0)


def test_feedback_waits_for_the_end(api: Api, creator: User, viewer: User) -> None:
    stream, client = watched(creator, viewer, ended=False), api(viewer)
    assert_refused(client.post(feedback_url(stream), {"rating": 5}), 409, "stream_not_ended")
    end_stream(stream.pk, by=creator, now=timezone.now())
    data_of(client.post(feedback_url(stream), {"rating": 5}), 201)


def test_only_who_watched_gives_feedback(api: Api, creator: User, guest: User, stranger: User) -> None:
    stream = make_stream(creator, Status.ACTIVE, guest=guest, answer="accepted")
    for user, role in ((creator, "host"), (guest, "guest")):
        services.admit(user, stream.pk, status="active", role=role, restriction=None, now=timezone.now())
    end_stream(stream.pk, by=creator, now=timezone.now())
    for user in (creator, guest, stranger, permitted("mod", "moderate")):
        # It precedes the check of the body.
        for sent in ({"rating": 5}, {}):
            assert_refused(api(user).post(feedback_url(stream), sent), 403, "not_watched")
    assert_refused(api().post(feedback_url(stream), {"rating": 5}), 401, "authentication_required")
    assert not Feedback.objects.exists()


def test_a_participant_of_a_server_without_roles_counts_as_audience(
    api: Api, creator: User, viewer: User, stream: LiveStream
) -> None:
    stream.participants.update(role=None)
    data_of(api(viewer).post(feedback_url(stream), {"rating": 5}), 201)


def test_who_was_blocked_cannot_give_feedback_and_who_was_muted_can(api: Api, creator: User, viewer: User) -> None:
    for kind, status in (("BLOCK", 403), ("CHAT_ONLY", 201)):
        stream = watched(creator, viewer, ended=False)
        make_ban(viewer, stream, action_type=kind)
        end_stream(stream.pk, by=creator, now=timezone.now())
        answer = api(viewer).post(feedback_url(stream), {"rating": 1})
        assert (answer.status_code, answer.headers.get("X-Error-Code")) == (status, "banned" if status == 403 else None)


@pytest.mark.parametrize("method", ["get", "post"])
def test_an_unknown_and_a_deleted_stream_are_missing(
    method: str, api: Api, creator: User, viewer: User, stream: LiveStream
) -> None:
    delete_stream(stream.pk, by=creator, now=timezone.now())
    client = api(viewer if method == "post" else creator)
    for url in (UNKNOWN, feedback_url(stream)):
        answer = client.post(url, {"rating": 5}) if method == "post" else client.get(url)
        assert_refused(answer, 404, "stream_not_found")


BAD: dict[str, dict[str, Any]] = {
    "rating: is required": {},
    "rating: must be between 1 and 5": {"rating": 0},
    "rating: must be a whole number": {"rating": "5"},
    "rating: must not be null": {"rating": None},
    "comment: must have at most 500 characters": {"rating": 5, "comment": "x" * 501},
    "comment: must not be empty": {"rating": 5, "comment": " "},
    "stars: unknown": {"rating": 5, "stars": 5},
}


@pytest.mark.parametrize(("rule", "sent"), BAD.items(), ids=BAD)
def test_a_bad_body_is_refused_with_its_rule(
    rule: str, sent: dict[str, Any], api: Api, viewer: User, stream: LiveStream
) -> None:
    assert_refused(api(viewer).post(feedback_url(stream), sent), 400, "validation_failed", rule)
    assert not Feedback.objects.exists()


@pytest.mark.parametrize("rating", [0, 6, 2.5, True])
def test_a_rating_is_one_of_five(rating: Any, api: Api, viewer: User, stream: LiveStream) -> None:
    assert_refused(api(viewer).post(feedback_url(stream), {"rating": rating}, format="json"), 400, "validation_failed")


def test_the_database_refuses_other_ratings_and_a_second_feedback(viewer: User, stream: LiveStream) -> None:
    row: dict[str, Any] = {"stream": stream, "user": viewer, "created_at": timezone.now()}
    with pytest.raises(IntegrityError, match="feedback_from_1_to_5"), transaction.atomic():
        Feedback.objects.create(rating=6, **row)
    Feedback.objects.create(rating=5, **row)
    with pytest.raises(IntegrityError, match="feedback_once"), transaction.atomic():
        Feedback.objects.create(rating=5, **row)


def test_a_repeat_with_the_same_key_gets_the_same_feedback(api: Api, viewer: User, stream: LiveStream) -> None:
    client: Any = api(viewer)
    first, second = (
        client.post(feedback_url(stream), {"rating": 5}, HTTP_IDEMPOTENCY_KEY="one", format="json") for _ in range(2)
    )
    assert data_of(first, 201) == data_of(second, 201)
    assert FeedbackCount.objects.get().rated_5 == 1


@pytest.mark.django_db(transaction=True)
def test_of_ten_calls_of_one_viewer_at_once_one_counts() -> None:
    viewer = make_user("viewer")
    stream = watched(make_user("creator"), viewer)

    def give(number: int) -> str:
        try:
            return str(gave(viewer, stream, 1 + number % 5).rating > 0)
        except Refusal as refusal:
            return refusal.code

    assert Counter(at_once(10, give)) == {"True": 1, "feedback_already_given": 9}
    assert sum(FeedbackCount.objects.values_list(*(f"rated_{n}" for n in range(1, 6))).get()) == 1


@pytest.mark.django_db(transaction=True)
def test_of_twenty_viewers_at_once_each_is_counted() -> None:
    viewers = [make_user(f"viewer{number}") for number in range(20)]
    stream = watched(make_user("creator"), *viewers)

    at_once(20, lambda number: gave(viewers[number], stream, 1 + number % 5))

    assert FeedbackCount.objects.values_list(*(f"rated_{n}" for n in range(1, 6))).get() == (4, 4, 4, 4, 4)


def test_giving_feedback_runs_five_statements(api: Api, viewer: User, stream: LiveStream) -> None:
    # Authentication; the locks of the stream and of the participation; the stream; the rows.
    client = api(viewer)
    run = statements(lambda: client.post(feedback_url(stream), {"rating": 5}))
    assert len(run) == 5, "\n".join(run)


# --- GET ------------------------------------------------------------------------------------------


def test_the_summary_has_the_number_of_each_rating_and_the_newest_comments(
    api: Api, creator: User, now: datetime
) -> None:
    viewers = [make_user(f"viewer{number}") for number in range(4)]
    stream = watched(creator, *viewers)
    for minute, (rating, comment) in enumerate([(5, "First"), (4, None), (5, "Third"), (2, "Fourth")]):
        gave(viewers[minute], stream, rating, comment=comment, now=now + timedelta(minutes=minute))

    answer = api(creator).get(feedback_url(stream))

    assert data_of(answer) == {
        "streamId": stream.pk,
        "count": 4,
        "average": 4.0,
        "ratings": [
            {"rating": 5, "count": 2},
            {"rating": 4, "count": 1},
            {"rating": 3, "count": 0},
            {"rating": 2, "count": 1},
            {"rating": 1, "count": 0},
        ],
        "comments": [
            {"rating": 2, "comment": "Fourth", "createdAt": wire_time(now + timedelta(minutes=3))},
            {"rating": 5, "comment": "Third", "createdAt": wire_time(now + timedelta(minutes=2))},
            {"rating": 5, "comment": "First", "createdAt": wire_time(now)},
        ],
    }
    assert not any(viewer.pk in answer.content.decode() for viewer in viewers), "nobody learns who gave it"
    limited = data_of(api(creator).get(f"{feedback_url(stream)}?limit=1"))
    assert [each["comment"] for each in limited["comments"]] == ["Fourth"]
    assert limited["count"] == 4


def test_the_average_has_two_decimals(api: Api, creator: User) -> None:
    viewers = [make_user(f"viewer{number}") for number in range(3)]
    stream = watched(creator, *viewers)
    for viewer, rating in zip(viewers, (5, 5, 4), strict=True):
        gave(viewer, stream, rating)
    assert data_of(api(creator).get(feedback_url(stream)))["average"] == 4.67


@pytest.mark.parametrize("status", list(Status))
def test_a_stream_in_every_state_has_a_summary(status: str, api: Api, creator: User) -> None:
    data = data_of(api(creator).get(feedback_url(make_stream(creator, status))))
    assert (data["count"], data["average"], data["comments"]) == (0, None, [])
    assert [each["count"] for each in data["ratings"]] == [0] * 5


def test_its_creator_its_guest_and_moderators_read_it_and_nobody_else(
    api: Api, creator: User, guest: User, viewer: User, stranger: User
) -> None:
    stream = make_stream(creator, guest=guest, answer="accepted")
    for user in (creator, guest, permitted("mod", "moderate"), make_user("admin", is_superuser=True)):
        data_of(api(user).get(feedback_url(stream)))
    declined = make_stream(creator, guest=guest, answer="declined")
    for user, url in (
        (viewer, feedback_url(stream)),
        (stranger, feedback_url(stream)),
        (guest, feedback_url(declined)),
    ):
        assert_refused(api(user).get(url), 403, "not_member_or_moderator")
    assert_refused(api().get(feedback_url(stream)), 401, "authentication_required")


def test_the_feedback_of_a_restored_stream_is_there_again(
    api: Api, creator: User, viewer: User, stream: LiveStream
) -> None:
    gave(viewer, stream, 3)
    delete_stream(stream.pk, by=creator, now=timezone.now())
    restore_stream(stream.pk, by=creator, now=timezone.now())
    assert data_of(api(creator).get(feedback_url(stream)))["count"] == 1


@pytest.mark.parametrize(
    ("query", "reason"),
    [("limit=0", "limit: must be between 1 and 100"), ("page=2", "page: unknown")],
)
def test_a_bad_query_is_refused(query: str, reason: str, api: Api, creator: User, stream: LiveStream) -> None:
    assert_refused(api(creator).get(f"{feedback_url(stream)}?{query}"), 400, "validation_failed", reason)


def test_the_summary_runs_the_same_statements_however_many_gave_feedback(api: Api, creator: User) -> None:
    viewers = [make_user(f"viewer{number}") for number in range(20)]
    stream, client = watched(creator, *viewers), api(creator)
    counts = []
    for viewer in viewers:
        gave(viewer, stream, 5, comment="Good")
        counts.append(len(statements(lambda: client.get(feedback_url(stream)))))
    assert set(counts) == {4}


@pytest.mark.slow
@pytest.mark.usefixtures("no_dead_rows")
def test_the_summary_reads_one_row_and_the_comments_that_it_shows_of_200_000(
    api: Api, creator: User, stream: LiveStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nine in ten gave no comment; half of all feedback is about another stream."""
    other = make_stream(creator, Status.ENDED)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(
            "INSERT INTO edges_feedback (id, stream_id, user_id, rating, comment, created_at)"
            " SELECT decode(lpad(to_hex(n), 24, '0'), 'hex'), CASE n %% 2 WHEN 0 THEN %s ELSE %s END,"
            " decode(lpad(to_hex(n), 24, '0'), 'hex'), 5, CASE WHEN n / 2 %% 10 = 0 THEN 'Good' END,"
            " now() - n * interval '1 second' FROM generate_series(1, 200000) AS n",
            [bytes.fromhex(stream.pk), bytes.fromhex(other.pk)],
        )
        cursor.execute(
            "INSERT INTO edges_feedbackcount (stream_id, rated_1, rated_2, rated_3, rated_4, rated_5)"
            " SELECT %s, 0, 0, 0, 0, 100000 UNION ALL"
            " SELECT decode(lpad(to_hex(n), 24, '0'), 'hex'), 0, 0, 0, 0, 1 FROM generate_series(1, 10000) AS n",
            [bytes.fromhex(stream.pk)],
        )
        cursor.execute("ANALYZE edges_feedback, edges_feedbackcount")

    with plans(monkeypatch) as seen:
        data = data_of(api(creator).get(feedback_url(stream), {"limit": 100}))

    assert (data["count"], len(data["comments"])) == (100_000, 100)
    parts = [node for plan in seen for node, _ in nodes(plan)]
    read = {
        table: [(node.get("Index Name"), rows_read(node)) for node in parts if node.get("Relation Name") == table]
        for table in ("edges_feedbackcount", "edges_feedback")
    }
    assert read == {
        "edges_feedbackcount": [("edges_feedbackcount_pkey", 1)],
        "edges_feedback": [("feedback_comments", 100)],
    }
    assert [node for node in parts if "Sort" in node["Node Type"]] == []
