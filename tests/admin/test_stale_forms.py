"""A form that was open while somebody else changed its row is refused, and the message names them."""

from typing import Any

import pytest
from django.utils import timezone

from accounts import services as accounts
from accounts.models import User
from bans import services as bans
from bans.models import LiveStreamBan
from livestreams import services as streams
from reminders.services import deliver
from tests.admin.conftest import Office
from tests.admin.notifying import notify_of_start
from tests.admin.pages import action_url, change_many, messages_of
from tests.bans.people import make_ban
from tests.conftest import make_user
from tests.streams import make_stream

REASON = {"reason": "Seen."}


@pytest.fixture
def root(db: None) -> User:
    return User.objects.create_superuser("root", "password")


def a_ban_that_its_creator_changes(creator: User) -> Any:
    ban = make_ban(make_user("troublemaker"), make_stream(creator))

    def change() -> None:
        bans.change_ban(ban.pk, by=creator, now=timezone.now(), changes={"action_type": "CHAT_ONLY"})

    return "creator", change, [(ban, action) for action in ("uphold_ban", "lift_ban", "change_ban", "end_in_a_day")]


def a_ban_that_is_appealed_against(creator: User) -> Any:
    ban = make_ban(make_user("troublemaker"), make_stream(creator))
    return (
        "creator",  # who last changed the ban itself
        lambda: bans.appeal_ban(ban.pk, by=ban.target, now=timezone.now(), text="No."),
        [(ban, action) for action in ("uphold_ban", "lift_ban", "change_ban", "end_in_a_day")],
    )


def a_stream_that_its_creator_edits(creator: User) -> Any:
    stream = make_stream(creator)
    return (
        "creator",
        lambda: streams.edit_stream(stream.pk, by=creator, now=timezone.now(), changes={"title": "Another"}),
        [(stream, action) for action in ("cancel_stream", "delete_stream")],
    )


def an_account_that_another_moderator_deactivates(creator: User) -> Any:
    other = make_user("other", is_staff=True)
    return (
        "other",
        lambda: accounts.deactivate_user(creator.pk, by=other, now=timezone.now(), reason="Spam."),
        [(creator, "deactivate_user")],
    )


def a_delivery_that_goes_on(creator: User) -> Any:
    delivery = notify_of_start(make_stream(creator), [make_user("waiting")])
    return (
        "The system",
        lambda: deliver(delivery.pk, now=timezone.now()),  # which fails: the settings name no such channel
        [(delivery, "send_again")],
    )


CASES = [
    a_ban_that_its_creator_changes, a_ban_that_is_appealed_against, a_stream_that_its_creator_edits,
    an_account_that_another_moderator_deactivates, a_delivery_that_goes_on,
]  # fmt: skip


def row_of(row: Any) -> Any:
    return type(row)._base_manager.values().get(pk=row.pk)


@pytest.mark.parametrize("many", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_a_stale_form_changes_nothing_and_names_who_changed_the_row(
    case: Any, many: bool, office: Office, root: User, creator: User
) -> None:
    who, change, actions = case(creator)
    client = office(root)
    forms = []
    for row, action in actions:
        if many and action == "change_ban":
            continue
        asked = change_many(client, action, [row]) if many else client.get(action_url(row, action))
        forms.append((row, action, dict(asked.context["hidden"]), asked.context["form"]))
    change()
    for row, action, hidden, form in forms:
        before = row_of(row)
        sent = {"action_type": "BLOCK", "expires_at": "", "appeal": "denied"} if "action_type" in form.fields else {}
        if many:
            answer = change_many(client, action, [row], **REASON, **hidden)
        else:
            answer = client.post(action_url(row, action), sent | REASON | hidden)
        (message,) = [each for each in messages_of(answer) if "while the form was open" in each][-1:]
        assert f"{who} changed it while the form was open, on " in message
        assert row_of(row) == before


@pytest.mark.parametrize("versions", ["x", "[]", '{"', "1"])
def test_a_crafted_version_is_a_bad_request(versions: str, office: Office, root: User, creator: User) -> None:
    stream = make_stream(creator)
    before = row_of(stream)
    assert office(root).post(action_url(stream, "cancel_stream"), REASON | {"versions": versions}).status_code == 400
    assert row_of(stream) == before


def test_a_form_is_not_stale_because_its_page_was_shown_twice(office: Office, root: User, creator: User) -> None:
    """A form with an error is shown again with the version that it had before."""
    ban = make_ban(make_user("troublemaker"), make_stream(creator))
    client = office(root)
    first = client.get(action_url(ban, "change_ban"))
    hidden = dict(first.context["hidden"])
    again = client.post(action_url(ban, "change_ban"), {"action_type": "CHAT_ONLY", "reason": ""} | hidden)
    assert dict(again.context["hidden"])["versions"] == hidden["versions"]

    client.post(action_url(ban, "change_ban"), {"action_type": "CHAT_ONLY"} | REASON | hidden)

    assert LiveStreamBan.objects.get().action_type == "CHAT_ONLY"
