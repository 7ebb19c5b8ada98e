"""manage.py deliveries"""

import json
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.models import User
from common.models import AuditEntry
from livestreams import services as streams
from reminders import services
from reminders.models import Delivery
from tests.commands.conftest import Start, waiting_for
from tests.conftest import make_user
from tests.patience import PATIENCE
from tests.reminders.conftest import webhook_channel  # noqa: F401 - a fixture
from tests.reminders.receiver import answering, receiving
from tests.reminders.sending import attempt, deferred_at, notify, reloaded

pytestmark = pytest.mark.usefixtures("webhook_channel")

State = Delivery.State
WHY = ("--reason", "The receiver is back")
NO_SUCH_ID = "f" * 24
AN_HOUR = timedelta(hours=1)


def run(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    call_command("deliveries", *words, "--json")
    facts: dict[str, Any] = json.loads(capsys.readouterr().out)
    return facts


def undelivered(*states: str, viewer: User, now: datetime, error: str = "the receiver answered 503") -> list[Delivery]:
    """A delivery in each of these states, of a stream of its own, whose last attempt was now."""
    made = []
    for number, state in enumerate(states):
        known = set(Delivery.objects.values_list("pk", flat=True))
        notify(viewer, now=now, title=f"Talk {number}")
        delivery = Delivery.objects.exclude(pk__in=known).get()
        is_pending = state == State.PENDING
        Delivery.objects.filter(pk=delivery.pk).update(
            state=state, last_error=error, attempts=10, attempted_at=now,
            closed_at=None if is_pending else now, next_attempt_at=now + AN_HOUR if is_pending else None,
        )  # fmt: skip
        made.append(reloaded(delivery))
    return made


def rows() -> list[Any]:
    return [*Delivery.objects.order_by("pk").values(), AuditEntry.objects.count()]


# --- list -----------------------------------------------------------------------------------------


def test_the_list_has_failures_with_their_errors_and_not_what_was_delivered_or_is_new(
    viewer: User, now: datetime, capsys: pytest.CaptureFixture[str]
) -> None:
    made = undelivered(State.FAILED, State.STOPPED, State.PENDING, State.DELIVERED, State.VOID, viewer=viewer, now=now)
    notify(viewer, now=now, title="New")  # its first attempt is still to come

    facts = run(capsys, "list")

    assert (facts["total"], facts["by_channel"]) == (3, {"webhook": {"failed": 1, "pending": 1, "stopped": 1}})
    assert {row["id"] for row in facts["deliveries"]} == {delivery.pk for delivery in made[:3]}
    assert {row["last_error"] for row in facts["deliveries"]} == {"the receiver answered 503"}


def test_filters_find_by_channel_state_error_time_stream_and_chunk(
    viewer: User, now: datetime, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = undelivered(State.FAILED, State.STOPPED, viewer=viewer, now=now)
    Delivery.objects.filter(pk=second.pk).update(
        channel="email", last_error="no route to host", attempted_at=now - 3 * AN_HOUR
    )

    def found(*words: str) -> list[str]:
        return [row["id"] for row in run(capsys, "list", *words)["deliveries"]]

    assert found("--channel", "email") == [second.pk]
    assert found("--state", "failed") == [first.pk]
    assert found("--error", "ANSWERED 503") == [first.pk]
    assert found("--since", "2h") == [first.pk]
    assert found("--until", (now - 2 * AN_HOUR).isoformat()) == [second.pk]
    assert found("--chunk", second.chunk_id) == [second.pk]
    assert found("--stream", first.chunk.round.stream_id) == [first.pk]
    assert found("--channel", "email", "--state", "failed") == []
    assert len(found("--limit", "1")) == 1


# --- retry ----------------------------------------------------------------------------------------


def test_a_retried_delivery_reaches_the_receiver_and_the_trail_has_the_reason(
    viewer: User, settings: Any, now: datetime, capsys: pytest.CaptureFixture[str]
) -> None:
    (delivery,) = undelivered(State.FAILED, viewer=viewer, now=now)

    assert run(capsys, "retry", delivery.pk, *WHY)["retried"] == [delivery.pk]

    again = reloaded(delivery)
    assert (again.state, again.attempts) == (State.PENDING, 0)
    assert again.next_attempt_at is not None
    assert deferred_at(again.next_attempt_at) == [{"delivery_id": delivery.pk}]
    with receiving(answering(200)) as gateway:
        assert attempt(delivery, gateway, settings).state == State.DELIVERED
    entry = AuditEntry.objects.get(action="send_again")
    assert (entry.target_id, entry.entry_point, entry.reason) == (delivery.pk, "command", "The receiver is back")


def test_all_are_those_that_are_not_tried_again_by_themselves(
    viewer: User, now: datetime, capsys: pytest.CaptureFixture[str]
) -> None:
    failed, stopped, pending = undelivered(State.FAILED, State.STOPPED, State.PENDING, viewer=viewer, now=now)

    assert set(run(capsys, "retry", "--all", *WHY)["retried"]) == {failed.pk, stopped.pk}
    assert reloaded(pending).next_attempt_at == now + AN_HOUR

    assert run(capsys, "retry", "--state", "pending", *WHY)["retried"] == [pending.pk]
    assert run(capsys, "retry", pending.pk, *WHY)["unchanged"] == [pending.pk]
    assert AuditEntry.objects.filter(action="send_again").count() == 3


def test_a_failure_that_was_listed_before_a_retry_is_not_retried_again(viewer: User, now: datetime) -> None:
    """Another operator has retried it meanwhile, and it was stopped again."""
    (delivery,) = undelivered(State.STOPPED, viewer=viewer, now=now)
    (listed,) = services.seen(Delivery.objects.filter(pk=delivery.pk))
    assert services.retry_delivery(listed, by=None, reason="first")
    assert not services.retry_delivery(listed, by=None, reason="second")
    later = timezone.now()
    Delivery.objects.filter(pk=delivery.pk).update(
        state=State.STOPPED, closed_at=later, attempted_at=later, next_attempt_at=None, attempts=1
    )
    assert not services.retry_delivery(listed, by=None, reason="third")
    (listed,) = services.seen(Delivery.objects.filter(pk=delivery.pk))
    assert services.retry_delivery(listed, by=None, reason="fourth")


def test_what_was_delivered_or_is_no_longer_true_is_counted_and_not_sent(
    viewer: User, now: datetime, capsys: pytest.CaptureFixture[str]
) -> None:
    delivered, deleted = undelivered(State.DELIVERED, State.FAILED, viewer=viewer, now=now)
    stream = deleted.chunk.round.stream
    streams.delete_stream(stream.pk, by=stream.creator, now=now)
    before = rows()

    facts = run(capsys, "retry", delivered.pk, deleted.pk, *WHY)

    assert (facts["retried"], facts["delivered"], facts["no_longer_true"]) == ([], [delivered.pk], [deleted.pk])
    assert rows() == before


# --- wrong use, dry runs, copies ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("retry", *WHY), "ID: name ids, or filters, or --all, and only one of them"),
        (("retry", NO_SUCH_ID, "--all", *WHY), "ID: name ids, or filters, or --all, and only one of them"),
        (("retry", "7", *WHY), "argument ID: '7' is no id; ids are 24 hexadecimal characters"),
        (("retry", NO_SUCH_ID, *WHY), f"ID: there is no delivery with the id {NO_SUCH_ID}"),
        (("retry", "--all"), "required: --reason"),
        (("retry", "--channel", "pigeon", *WHY), "argument --channel: invalid choice: 'pigeon'"),
        (("retry", "--state", "delivered", *WHY), "argument --state: invalid choice: 'delivered'"),
        (("retry", "--since", "yesterday", *WHY), "argument --since: 'yesterday' is no time; write"),
        (("retry", "--since", "1h", "--until", "2h", *WHY), "--until: must be later than --since"),
        (("list", "--limit", "many"), "argument --limit: must be a number from 1 to 100,000, not 'many'"),
    ],
)
def test_wrong_use_names_the_option_and_changes_nothing(
    words: tuple[str, ...], message: str, viewer: User, now: datetime
) -> None:
    undelivered(State.FAILED, viewer=viewer, now=now)
    before = rows()
    with pytest.raises(CommandError) as raised:
        call_command("deliveries", *words)
    assert message in str(raised.value)
    assert rows() == before


def test_a_dry_run_says_the_same_and_changes_nothing(
    viewer: User, now: datetime, capsys: pytest.CaptureFixture[str]
) -> None:
    made = undelivered(State.FAILED, State.STOPPED, State.FAILED, viewer=viewer, now=now)
    stream = made[2].chunk.round.stream
    streams.delete_stream(stream.pk, by=stream.creator, now=now)
    before = rows()

    foreseen = run(capsys, "retry", "--all", *WHY, "--dry-run")

    assert rows() == before
    done = run(capsys, "retry", "--all", *WHY)
    assert foreseen | {"dry_run": False} == done
    assert (len(done["retried"]), done["no_longer_true"]) == (2, [made[2].pk])


@pytest.mark.django_db(transaction=True)
def test_two_copies_at_once_retry_each_delivery_once(now: datetime, start: Start) -> None:
    made = undelivered(*[State.FAILED, State.STOPPED] * 6, viewer=make_user("viewer"), now=now)

    with waiting_for("reminders_delivery", 2) as until_both_wait:
        copies = [start("deliveries", "retry", "--all", *WHY, "--json") for _ in range(2)]
        until_both_wait()
    results = [json.loads(copy.communicate(timeout=PATIENCE)[0]) for copy in copies]

    assert [copy.returncode for copy in copies] == [0, 0]
    ids = sorted(delivery.pk for delivery in made)
    assert sorted(results[0]["retried"] + results[1]["retried"]) == ids
    recorded = Counter(AuditEntry.objects.filter(action="send_again").values_list("target_id", flat=True))
    assert recorded == dict.fromkeys(ids, 1)
