"""*Ban people…*: the check bans nobody, the ban does what the check showed, and what changed in between is shown."""

import html
import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from bans.models import LiveStreamBan
from bans.services import LARGEST_BATCH, lift_ban, review_ban
from common.models import AuditEntry
from livestreams.models import LiveStream
from livestreams.services import delete_stream, end_stream
from tests.admin.conftest import Office
from tests.admin.pages import messages_of, text_of
from tests.bans.people import make_ban
from tests.conftest import make_user
from tests.streams import make_stream

VALUES = {"action_type": "BLOCK", "duration": "1h", "reason": "A raid."}


def people_url(stream: LiveStream) -> str:
    return reverse("admin:ban_people", args=[stream.pk])


def check(client: Client, stream: LiveStream, people: str, **values: str) -> Any:
    return client.post(people_url(stream), {"step": "check", "people": people, **VALUES, **values})


def hidden_of(page: Any) -> dict[str, str]:
    """The fields of the form that bans, as a browser would send them."""
    form = re.search(r"<form(?:(?!</form>).)*value=\"ban\".*?</form>", page.content.decode(), re.S)
    assert form is not None
    found = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', form[0])
    return {name: html.unescape(value) for name, value in found}


def ban(client: Client, stream: LiveStream, page: Any) -> Any:
    return client.post(people_url(stream), hidden_of(page) | {"step": "ban"})


def outcomes(page: Any) -> dict[str, list[str]]:
    return {group.label: [entry["name"] for entry in group.entries] for group in page.context["groups"]}


@pytest.fixture
def crowd(stream: LiveStream, guest: User, moderator: User) -> str:
    """What a moderator pastes: each kind of name, in every form."""
    mia, leo, nora = make_user("mia"), make_user("Leo"), make_user("nora")
    make_ban(nora, stream)
    assert mia.pk
    return f"mia\n{leo.pk.upper()}, NORA;nobody\r\n MIA\ncreator moderator"


def test_the_check_shows_the_outcome_of_each_name_and_bans_nobody(
    crowd: str, stream: LiveStream, office: Office, moderator: User
) -> None:
    bans, entries = LiveStreamBan.all_objects.count(), AuditEntry.objects.count()

    page = check(office(moderator), stream, crowd)

    assert page.status_code == 200
    assert outcomes(page) == {
        "unknown": ["nobody"],
        "yourself": ["moderator"],
        "protected": ["creator"],
        "already banned": ["nora"],
        "named twice": ["mia"],
        "would be banned": ["mia", "Leo"],
    }
    text = text_of(page)
    assert "Nobody has been banned yet" in text
    assert "the creator of the stream cannot be banned from it" in text
    assert "Ban 2 people" in text
    assert (LiveStreamBan.all_objects.count(), AuditEntry.objects.count()) == (bans, entries)


def test_the_ban_does_what_the_check_showed(
    crowd: str, stream: LiveStream, office: Office, moderator: User, now: datetime
) -> None:
    client = office(moderator)
    page = check(client, stream, crowd, action_type="CHAT_ONLY", reason="Two\nlines")

    done = ban(client, stream, page)

    shown = outcomes(page)
    shown["banned"] = shown.pop("would be banned")
    assert outcomes(done) == shown
    assert "2 people were banned." in text_of(done)
    made = LiveStreamBan.objects.filter(created_by=moderator)
    assert {one.target.username for one in made} == {"mia", "Leo"}
    assert {one.batch_id for one in made} == {done.context["batch_id"]}
    for one in made:
        assert (one.action_type, one.reason, one.stream_id) == ("CHAT_ONLY", "Two\nlines", stream.pk)
        assert one.expires_at is not None
        assert timedelta(0) <= one.expires_at - now - timedelta(hours=1) < timedelta(minutes=1)
        entry = AuditEntry.objects.get(target_id=one.pk)
        assert (entry.action, entry.entry_point, entry.actor_id) == ("ban_user", "admin", moderator.pk)


# --- what changes between the check and the ban ---------------------------------------------------


def test_what_changed_since_the_check_is_shown_and_the_others_are_banned(
    stream: LiveStream, office: Office, moderator: User
) -> None:
    people = {name: make_user(name) for name in ("mia", "leo", "ada")}
    client = office(moderator)
    page = check(client, stream, "mia leo ada")
    make_ban(people["mia"], stream)
    User.objects.filter(username="leo").update(is_staff=True)

    done = ban(client, stream, page)

    assert outcomes(done) == {"protected": ["leo"], "already banned": ["mia"], "banned": ["ada"]}
    text = text_of(done)
    assert "2 outcomes have changed since the check." in text
    assert text.count("The check said: would be banned.") == 2
    assert set(LiveStreamBan.objects.filter(created_by=moderator).values_list("target__username", flat=True)) == {"ada"}


def test_nobody_is_banned_whom_the_check_did_not_show(stream: LiveStream, office: Office, moderator: User) -> None:
    """A name that was unknown, a ban that ended, and a name that another person has now."""
    mia, nora = make_user("mia"), make_user("nora")
    old = make_ban(nora, stream)
    client = office(moderator)
    page = check(client, stream, "mia nora zoe")
    lift_ban(old.pk, by=stream.creator, now=timezone.now())
    User.objects.filter(pk=mia.pk).update(username="renamed", username_key="renamed")
    make_user("mia")
    make_user("zoe")

    done = ban(client, stream, page)

    assert outcomes(done) == {"unknown": ["zoe"], "already banned": ["nora"], "banned": ["renamed"]}
    assert list(LiveStreamBan.objects.values_list("target", flat=True)) == [mia.pk]


@pytest.mark.parametrize("over", ["ended", "deleted"])
def test_a_stream_that_is_over_meanwhile_refuses_and_keeps_what_was_pasted(
    over: str, creator: User, office: Office, moderator: User
) -> None:
    stream = make_stream(creator, "active" if over == "ended" else "scheduled")
    make_user("mia")
    client = office(moderator)
    page = check(client, stream, "mia")
    now = timezone.now()
    if over == "ended":
        end_stream(stream.pk, by=creator, now=now)
    else:
        delete_stream(stream.pk, by=creator, now=now)

    done = ban(client, stream, page)

    assert LiveStreamBan.all_objects.count() == 0
    expected = {"ended": "nobody can be banned from it any more", "deleted": "there is no stream with this id"}
    assert expected[over] in text_of(done)
    assert done.context["form"]["people"].value() == "mia"


# --- the form -------------------------------------------------------------------------------------


def test_the_address_fills_in_a_name(stream: LiveStream, office: Office, moderator: User) -> None:
    page = office(moderator).get(people_url(stream), {"target": "mia<b>"})
    assert page.context["form"]["people"].value() == "mia<b>"
    assert "mia&lt;b&gt;" in page.content.decode()


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ({"people": " ,;\n"}, "This field is required."),
        ({"people": " ".join(f"name{number}" for number in range(LARGEST_BATCH + 1))}, "These are 1001 names"),
        ({"people": "mia " + "x" * 151}, "is not a username"),
        ({"people": "mia\u202eaim"}, "is not a username"),
        ({"people": "mia\0"}, "is not a username"),
        ({"people": "mia", "reason": " "}, "This field is required."),
        ({"people": "mia", "reason": "x" * 501}, "at most 500 characters"),
        ({"people": "mia", "action_type": "GAG"}, "Select a valid choice"),
        ({"people": "mia", "duration": "1y"}, "Select a valid choice"),
    ],
    ids=lambda value: str(value)[:40],
)
@pytest.mark.parametrize("step", ["check", "ban"])
def test_a_wrong_value_is_named_and_what_was_sent_stays(
    step: str, sent: dict[str, str], expected: str, stream: LiveStream, office: Office, moderator: User
) -> None:
    mia = make_user("mia")
    checked = f'[["mia", "would_be_banned", "{mia.pk}", null, ""]]'

    page = office(moderator).post(people_url(stream), {"step": step, "checked": checked} | VALUES | sent)

    assert page.status_code == 200
    assert expected in text_of(page)
    assert page.context["form"]["people"].value() == sent["people"]
    assert LiveStreamBan.all_objects.count() == 0


@pytest.mark.parametrize(
    "checked",
    ["", "{}", "[1]", '[["mia"]]', '[["mia", "liked", null, null, ""]]', '[["mia", "banned", "x", null, ""]]',
     '[["mia", "banned", 1, null, ""]]', '[["mia", ["banned"], null, null, ""]]',
     str([["mia", "unknown", None, None, ""]] * (LARGEST_BATCH + 1)).replace("None", "null").replace("'", '"')],
    ids=lambda value: str(value)[:40],
)  # fmt: skip
def test_a_crafted_check_is_refused(checked: str, stream: LiveStream, office: Office, moderator: User) -> None:
    sent = {"step": "ban", "people": "mia", "checked": checked, **VALUES}
    assert office(moderator).post(people_url(stream), sent).status_code == 400


def test_a_ban_of_nobody_says_so(stream: LiveStream, office: Office, moderator: User) -> None:
    client = office(moderator)
    page = check(client, stream, "nobody")
    assert "Ban 0" not in text_of(page)
    sent = {"step": "ban", "people": "nobody", "checked": '[["nobody", "unknown", null, null, ""]]', **VALUES}
    assert "None of these people would be banned." in text_of(client.post(people_url(stream), sent))


@pytest.mark.parametrize("state", ["ended", "expired", "cancelled_by_host"])
def test_of_a_stream_that_is_over_there_is_no_form(state: str, creator: User, office: Office, moderator: User) -> None:
    page = office(moderator).get(people_url(make_stream(creator, state)))
    assert "Nobody can be banned from this stream any more" in text_of(page)
    assert 'name="people"' not in page.content.decode()


def test_a_ban_until_it_is_lifted_has_no_end(stream: LiveStream, office: Office, moderator: User) -> None:
    make_user("mia")
    client = office(moderator)
    ban(client, stream, check(client, stream, "mia", duration=""))
    assert LiveStreamBan.objects.get().expires_at is None


# --- undo -----------------------------------------------------------------------------------------


def test_undo_lifts_the_batch_but_not_what_somebody_reviewed(
    stream: LiveStream, office: Office, moderator: User
) -> None:
    for name in ("mia", "leo", "ada"):
        make_user(name)
    client = office(moderator)
    done = ban(client, stream, check(client, stream, "mia leo ada"))
    batch = done.context["batch_id"]
    reviewed = LiveStreamBan.objects.get(target__username="ada")
    other = User.objects.create_superuser("root", "password")
    review_ban(reviewed.pk, by=other, now=timezone.now(), verdict=LiveStreamBan.Review.UPHELD, reason="Seen.")

    answer = client.post(people_url(stream), {"step": "undo", "batch": batch})

    assert answer.headers["Location"] == f"{people_url(stream)}?batch={batch}"
    assert messages_of(answer) == [
        "2 bans were lifted.", "1 ban was left as it is: somebody has changed or reviewed the ban since",
    ]  # fmt: skip
    assert set(LiveStreamBan.objects.values_list("target__username", flat=True)) == {"ada"}
    page = text_of(client.get(answer.headers["Location"]))
    assert "1 ban of this batch is in force." in page
    again = client.post(people_url(stream), {"step": "undo", "batch": batch})
    assert messages_of(again)[-1:] == ["the batch has been undone already"]


def test_a_batch_of_another_stream_or_none_is_not_there(stream: LiveStream, office: Office, moderator: User) -> None:
    make_user("mia")
    other = make_stream(make_user("host"), "active")
    client = office(moderator)
    batch = ban(client, other, check(client, other, "mia")).context["batch_id"]
    for wrong, status in ((batch, 404), ("f" * 24, 404), ("x", 400), ("", 400)):
        assert client.get(people_url(stream), {"batch": wrong}).status_code == status
        assert client.post(people_url(stream), {"step": "undo", "batch": wrong}).status_code == status
    assert LiveStreamBan.objects.count() == 1


# --- who may do it --------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["reader", "creator", "guest", "viewer"])
@pytest.mark.parametrize("step", ["check", "ban", "undo", "", "other"])
def test_a_crafted_post_without_the_permission_is_forbidden(
    who: str, step: str, stream: LiveStream, office: Office, request: Any, moderator: User
) -> None:
    mia = make_user("mia")
    make_user("leo")
    batch = ban(office(moderator), stream, check(office(moderator), stream, "leo")).context["batch_id"]
    before, entries = list(LiveStreamBan.all_objects.values()), AuditEntry.objects.count()
    checked = f'[["mia", "would_be_banned", "{mia.pk}", null, ""]]'
    sent = {"step": step, "people": "mia", "checked": checked, "batch": batch, **VALUES}

    answer = office(request.getfixturevalue(who)).post(people_url(stream), sent)

    assert answer.status_code == 403
    assert list(LiveStreamBan.all_objects.values()) == before
    assert AuditEntry.objects.count() == entries


def test_the_page_is_for_moderators(stream: LiveStream, office: Office, reader: User, moderator: User) -> None:
    assert office(reader).get(people_url(stream)).status_code == 403
    assert office(moderator).get(people_url(stream)).status_code == 200
    assert office(User.objects.create_superuser("root", "password")).get(people_url(stream)).status_code == 200
    for client, method in ((Client(), "get"), (Client(), "post"), (office(stream.creator), "get")):
        answer = getattr(client, method)(people_url(stream))
        assert answer.headers["Location"].startswith(reverse("admin:login"))


@pytest.mark.parametrize("pk", ["x", "f" * 24, "F" * 24])
def test_a_stream_that_does_not_exist_is_not_there(pk: str, office: Office, moderator: User) -> None:
    assert office(moderator).get(reverse("admin:ban_people", args=[pk])).status_code == 404


@pytest.mark.parametrize("step", ["", "other"])
def test_a_post_without_a_known_step_is_not_understood(
    step: str, stream: LiveStream, office: Office, moderator: User
) -> None:
    assert office(moderator).post(people_url(stream), {"step": step}).status_code == 400


# --- cost -----------------------------------------------------------------------------------------


def test_a_thousand_names_cost_as_many_statements_as_one(
    stream: LiveStream, office: Office, moderator: User, django_assert_max_num_queries: Any
) -> None:
    client = office(moderator)

    def statements(prefix: str, count: int) -> list[int]:
        names = [f"{prefix}{number}" for number in range(count)]
        users = [User(username=name, username_key=name, name=name, password="!") for name in names]
        User.objects.bulk_create(users)
        with django_assert_max_num_queries(15) as checking:
            page = check(client, stream, "\n".join(names))
        with django_assert_max_num_queries(20) as banning:  # the ban, and then the page
            done = ban(client, stream, page)
        assert outcomes(done) == {"banned": names}
        batch = done.context["batch_id"]
        with django_assert_max_num_queries(15) as showing:
            assert len(client.get(people_url(stream), {"batch": batch}).context["bans"]) == count
        with django_assert_max_num_queries(20) as undoing:
            client.post(people_url(stream), {"step": "undo", "batch": batch})
        assert not LiveStreamBan.objects.filter(batch_id=batch).exists()
        return list(map(len, (checking, banning, showing, undoing)))

    statements("first", 1)  # fills caches of the process
    assert statements("few", 1) == statements("many", LARGEST_BATCH)


def test_the_page_speaks_turkish(stream: LiveStream, office: Office, moderator: User) -> None:
    make_user("mia")
    client = office(moderator)
    page = client.post(
        people_url(stream), {"step": "check", "people": "mia", **VALUES}, headers={"Accept-Language": "tr"}
    )
    assert "1 kişiyi banla" in text_of(page)
