"""*Ban from a stream…* on the page of a person."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from bans import services
from bans.models import LiveStreamBan
from common.admin.forms import BROWSER_FORMAT
from common.models import AuditEntry
from livestreams.models import LiveStream, Status
from livestreams.services import end_stream
from tests.admin.conftest import Office, permit
from tests.admin.pages import messages_of, page_url, text_of
from tests.bans.people import make_ban
from tests.conftest import make_user
from tests.streams import make_stream

MODERATOR = ("view_user", "view_livestream", "view_livestreamban", "moderate")


@pytest.fixture
def moderator(db: None) -> User:
    return permit(make_user("moderator", is_staff=True), MODERATOR)


@pytest.fixture
def mia(db: None) -> User:
    return make_user("mia", name="Mia", surname="Öztürk")


@pytest.fixture
def stream(creator: User) -> LiveStream:
    return make_stream(creator, Status.ACTIVE, title="Ask me anything")


def url(person: User) -> str:
    return reverse("admin:ban_person", args=[person.pk])


def filled(on: LiveStream | str, **more: str) -> dict[str, str]:
    chosen = on if isinstance(on, str) else on.pk
    return {"step": "ban", "stream": chosen, "action_type": "BLOCK", "duration": "1h", "reason": "Spam."} | more


def choices(response: Any) -> list[str]:
    return [pk for pk, _label in response.context["form"].fields["stream"].widget.choices]


# --- making a ban ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("duration", "length"),
    [
        ("10m", timedelta(minutes=10)),
        ("1h", timedelta(hours=1)),
        ("1d", timedelta(days=1)),
        ("7d", timedelta(days=7)),
        ("", None),
    ],
)
@pytest.mark.parametrize("kind", ["BLOCK", "CHAT_ONLY"])
def test_a_ban_is_made_through_the_service(
    kind: str, duration: str, length: timedelta | None, office: Office, moderator: User, mia: User, stream: LiveStream
) -> None:
    answer = office(moderator).post(url(mia), filled(stream, duration=duration, action_type=kind))

    assert answer.headers["Location"] == page_url(mia)
    assert messages_of(answer) == ["mia was banned from “Ask me anything”."]
    ban = LiveStreamBan.objects.get()
    assert (ban.target_id, ban.stream_id, ban.action_type, ban.reason) == (mia.pk, stream.pk, kind, "Spam.")
    assert ban.expires_at == (None if length is None else ban.created_at + length)
    entry = AuditEntry.objects.get(action="ban_user")
    assert (entry.actor_id, entry.entry_point, entry.target_id) == (moderator.pk, "admin", ban.pk)


def test_a_ban_can_end_at_a_time(office: Office, moderator: User, mia: User, stream: LiveStream) -> None:
    until = timezone.localtime(timezone.now() + timedelta(days=3)).replace(microsecond=0)
    sent = filled(stream, duration="time", ends_at=until.strftime(BROWSER_FORMAT))
    assert office(moderator).post(url(mia), sent).status_code == 302
    assert LiveStreamBan.objects.get().expires_at == until


# --- refusals -------------------------------------------------------------------------------------


def refused(answer: Any) -> dict[str, list[str]]:
    assert answer.status_code == 200
    return {name: [str(error) for error in errors] for name, errors in answer.context["form"].errors.items()}


def test_each_refusal_of_the_service_is_shown_at_its_field(
    office: Office, moderator: User, mia: User, stream: LiveStream, creator: User, guest: User
) -> None:
    client = office(moderator)
    over = make_stream(make_user("host"), Status.ENDED)
    duo = make_stream(make_user("host2"), guest=guest)
    held = make_ban(mia, stream)
    past = timezone.localtime(timezone.now() - timedelta(hours=1)).strftime(BROWSER_FORMAT)
    other = make_stream(make_user("host3"))
    colleague = make_user("colleague", is_staff=True)

    for person, sent, field, text in (
        (mia, filled("0" * 24), "stream", "there is no stream with this id"),
        (mia, filled(over), "stream", "the stream is over"),
        (mia, filled(stream), "stream", "a ban of this person on this stream holds already"),
        (creator, filled(stream), "stream", "the creator of the stream cannot be banned"),
        (guest, filled(duo), "stream", "a guest of the stream cannot be banned"),
        (moderator, filled(stream), "__all__", "you cannot ban yourself"),
        (colleague, filled(stream), "__all__", "staff and moderators cannot be banned"),
        (mia, filled(other, duration="time", ends_at=past), "ends_at", "must lie in the future"),
    ):
        answer = client.post(url(person), sent)
        errors = refused(answer)
        assert list(errors) == [field], text
        assert text in errors[field][0]
        assert text in text_of(answer)
    assert LiveStreamBan.objects.count() == 1
    assert AuditEntry.objects.filter(action="ban_user").count() == 1
    assert page_url(held) in client.post(url(mia), filled(stream)).content.decode()


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({"stream": ""}, "stream"),
        ({"stream": "x"}, "stream"),
        ({"stream": "\x00"}, "stream"),
        ({"action_type": "MUTE"}, "action_type"),
        ({"action_type": ""}, "action_type"),
        ({"duration": "2h"}, "duration"),
        ({"duration": "time"}, "ends_at"),
        ({"duration": "time", "ends_at": "tomorrow"}, "ends_at"),
        ({"ends_at": "2099-01-01T00:00:00"}, "ends_at"),
        ({"reason": ""}, "reason"),
        ({"reason": " \u200b"}, "reason"),
        ({"reason": "x" * 501}, "reason"),
    ],
)
def test_bad_input_is_refused_at_its_field_and_changes_nothing(
    sent: dict[str, str], field: str, office: Office, moderator: User, mia: User, stream: LiveStream
) -> None:
    answer = office(moderator).post(url(mia), filled(stream, **sent))
    assert list(refused(answer)) == [field]
    assert answer.context["form"]["duration"].value() == sent.get("duration", "1h")
    assert not LiveStreamBan.objects.exists()


def test_a_stream_that_ended_while_the_form_was_open_is_refused(
    office: Office, moderator: User, mia: User, stream: LiveStream
) -> None:
    client = office(moderator)
    assert stream.pk in choices(client.get(url(mia)))
    end_stream(stream.pk, by=stream.creator, now=timezone.now())

    answer = client.post(url(mia), filled(stream))

    assert "the stream is over" in refused(answer)["stream"][0]
    assert choices(answer) == [stream.pk], "the choice stays visible beside the error"


# --- the streams to choose from -------------------------------------------------------------------


def test_live_streams_are_offered_first_and_streams_that_are_over_are_not(
    office: Office, moderator: User, mia: User, creator: User, stream: LiveStream
) -> None:
    soon = make_stream(creator, title="Tomorrow")
    make_stream(make_user("host"), Status.ENDED)
    make_stream(make_user("host2"), Status.CANCELLED_BY_HOST)
    live = make_stream(make_user("host3"), Status.ACTIVE, title="Also live")

    page = office(moderator).get(url(mia))

    assert choices(page) == [live.pk, stream.pk, soon.pk]
    assert "Ask me anything · @creator · active" in text_of(page)


def test_a_stream_is_found_by_words_and_what_was_filled_in_stays(
    office: Office, moderator: User, mia: User, creator: User, stream: LiveStream
) -> None:
    wanted = make_stream(make_user("husnu", name="Hüsnü"), title="Işık ve gölge")
    client = office(moderator)

    answer = client.post(url(mia), filled("", step="find", find="GOLGE husnu", reason="Slurs."))

    assert choices(answer) == [wanted.pk]
    assert answer.context["form"].errors == {}
    assert 'value="GOLGE husnu"' in answer.content.decode()
    assert "Slurs." in answer.content.decode()
    nothing = client.post(url(mia), filled("", step="find", find="zzz"))
    assert "No stream that is not over has these words." in text_of(nothing)
    kept = client.post(url(mia), filled(stream, step="find", find="gölge"))
    assert choices(kept) == [stream.pk, wanted.pk], "the stream that was chosen stays"
    assert not LiveStreamBan.objects.exists()


def test_an_address_can_name_the_stream(office: Office, moderator: User, mia: User, stream: LiveStream) -> None:
    page = office(moderator).get(url(mia), {"stream": stream.pk})
    assert page.context["form"]["stream"].value() == stream.pk
    assert office(moderator).get(url(mia), {"stream": "x", "find": "\t"}).status_code == 200


def test_the_page_costs_the_same_for_many_streams(
    office: Office, moderator: User, mia: User, stream: LiveStream, django_assert_max_num_queries: Any
) -> None:
    client = office(moderator)

    def cost(text: str) -> int:
        client.post(url(mia), {"step": "find", "find": text})
        with django_assert_max_num_queries(15) as seen:
            client.post(url(mia), {"step": "find", "find": text})
        return len(seen)

    make_ban(mia, stream)
    one = cost(""), cost("ask anything")
    for number in range(25):
        make_stream(make_user(f"host{number}"), Status.ACTIVE, title="Ask for anything")
        make_ban(mia, LiveStream.objects.latest("created_at"))
    assert (cost(""), cost("ask anything")) <= one
    assert "There are more streams" in text_of(client.get(url(mia)))


# --- roles ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("lacking", MODERATOR)
def test_who_may_ban(lacking: str, office: Office, mia: User, stream: LiveStream) -> None:
    """Only `bans.moderate` decides; without the others the page shows less."""
    member = permit(make_user("member", is_staff=True), tuple(name for name in MODERATOR if name != lacking))
    client = office(member)
    status = 403 if lacking == "moderate" else 302
    assert client.get(url(mia)).status_code == (403 if lacking == "moderate" else 200)
    assert client.post(url(mia), filled(stream)).status_code == status
    assert LiveStreamBan.objects.exists() is (lacking != "moderate")


def test_a_superuser_may_ban_and_others_get_403(
    office: Office, client: Client, mia: User, stream: LiveStream, creator: User
) -> None:
    assert client.post(url(mia), filled(stream)).status_code == 302  # to the login
    assert office(creator).post(url(mia), filled(stream)).status_code == 403
    assert not LiveStreamBan.objects.exists()
    root = User.objects.create_superuser("root")
    assert office(root).post(url(mia), filled(stream)).status_code == 302
    assert LiveStreamBan.objects.get().created_by == root


@pytest.mark.parametrize("pk", ["x", "f" * 24, "%00"])
def test_a_person_who_does_not_exist_is_not_found(pk: str, office: Office, moderator: User) -> None:
    assert office(moderator).get(f"/admin/accounts/user/{pk}/ban/").status_code == 404


def test_the_page_of_a_person_offers_it_to_moderators_only(
    office: Office, moderator: User, reader: User, mia: User
) -> None:
    assert url(mia) in office(moderator).get(page_url(mia)).content.decode()
    assert url(mia) not in office(reader).get(page_url(mia)).content.decode()


def test_the_ban_stands_in_the_tab_of_the_person(
    office: Office, moderator: User, mia: User, stream: LiveStream
) -> None:
    client = office(moderator)
    client.post(url(mia), filled(stream))
    ban = LiveStreamBan.objects.get()
    services.appeal_ban(ban.pk, by=mia, now=timezone.now(), text="Not me.")

    bans, appeals = (client.get(page_url(mia), {"tab": tab}) for tab in ("bans", "appeals"))

    assert page_url(ban) in bans.content.decode()
    assert "Ask me anything may not watch Spam." in text_of(bans)
    assert "Ask me anything pending Not me." in text_of(appeals)
