"""Searches of lists by words: folded, in any order, in the columns that each list searches."""

from typing import Any

import pytest
from django.contrib import admin

from accounts.models import User
from bans.models import LiveStreamBan, ReportCase
from common.admin import search
from livestreams.models import LiveStream
from reminders.models import Reminder
from tests.admin.conftest import VIEW_PERMISSIONS, Office, permit
from tests.admin.notifying import notify_of_start
from tests.admin.pages import list_url, messages_of, statements_of
from tests.bans.people import make_ban
from tests.bans.reporting import make_report
from tests.conftest import make_user
from tests.streams import make_stream

SEARCHED = [model for model, pages in admin.site._registry.items() if getattr(pages, "word_search", None)]


@pytest.fixture
def reader(reader: User) -> User:
    return permit(reader, (*VIEW_PERMISSIONS, "view_livestreamban", "view_reportcase"))


@pytest.fixture
def people(db: None) -> dict[str, User]:
    return {
        "ozturk": make_user("mia77", name="Mia", surname="Öztürk"),
        "isil": make_user("light", name="Işıl", surname="Öz"),
        "husnu": make_user("h.cagri", name="Hüsnü Çağrı", surname="Şen"),
        "other": make_user("someone", name="Some", surname="Body"),
    }


FINDS = [
    ("ozturk", "ozturk"),
    ("ÖZTÜRK", "ozturk"),
    ("Öztürk Mia", "ozturk"),
    ("mia oztu", "ozturk"),
    ("mia77 öztürk", "ozturk"),
    ("ISIL", "isil"),
    ("ışıl", "isil"),
    ("öz ışıl", "isil"),
    ("oz is", "isil"),
    ("sen cagri", "husnu"),
    ("husnu ŞEN çağ", "husnu"),
]


@pytest.mark.parametrize(("text", "who"), FINDS)
def test_people_are_found_by_words_of_their_names(
    text: str, who: str, people: dict[str, User], office: Office, reader: User
) -> None:
    found = office(reader).get(list_url(User), {"q": text}).context["cl"].result_list
    assert [user.pk for user in found] == [people[who].pk]


def test_a_short_word_is_found_at_the_start_of_words(people: dict[str, User], office: Office, reader: User) -> None:
    def found(text: str) -> set[str]:
        return {user.pk for user in office(reader).get(list_url(User), {"q": text}).context["cl"].result_list}

    assert found("oz") == {people["ozturk"].pk, people["isil"].pk}
    assert found("zt") == set()


@pytest.mark.parametrize("text", ["mia öz isil", "ozturk someone", "%", "_____", "\u200b", "zzz"])
def test_people_who_lack_a_word_are_not_found(text: str, people: dict[str, User], office: Office, reader: User) -> None:
    assert not office(reader).get(list_url(User), {"q": text}).context["cl"].result_list


def test_a_person_is_found_by_the_whole_email_address(people: dict[str, User], office: Office, reader: User) -> None:
    User.objects.filter(pk=people["other"].pk).update(email="Some.Body@example.com")
    client = office(reader)
    found = client.get(list_url(User), {"q": "some.body@EXAMPLE.com"}).context["cl"].result_list
    assert [user.pk for user in found] == [people["other"].pk]
    assert not client.get(list_url(User), {"q": "body@example.com"}).context["cl"].result_list


@pytest.fixture
def world(people: dict[str, User], creator: User) -> dict[str, Any]:
    asked = make_stream(creator, title="Bana her şeyi sor")
    quiet = make_stream(people["husnu"], title="Işık ve gölge")
    return {
        "asked": asked,
        "quiet": quiet,
        "mia": make_ban(people["ozturk"], asked),
        "isil": make_ban(people["isil"], asked),
        "quiet ban": make_ban(people["ozturk"], quiet),
        "case": make_report(people["other"], quiet).case,
        "other case": make_report(people["other"], asked).case,
    }


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("ozturk", {"mia", "quiet ban"}),
        ("Öztürk mia", {"mia", "quiet ban"}),
        ("ISIL", {"isil"}),
        ("SEYI bana", {"mia", "isil"}),
        ("gölge", {"quiet ban"}),
        ("sor öztürk", {"mia"}),
        ("mia golge", {"quiet ban"}),
        ("oz", {"mia", "quiet ban", "isil"}),
        ("ve", {"quiet ban"}),
        ("ışıl gölge", set()),
        ("zzz", set()),
    ],
)
def test_bans_are_found_by_words_of_the_person_and_of_the_title(
    text: str, names: set[str], world: dict[str, Any], office: Office, reader: User
) -> None:
    found = office(reader).get(list_url(LiveStreamBan), {"q": text}).context["cl"].result_list
    assert {ban.pk for ban in found} == {world[name].pk for name in names}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("ISIK", {"quiet"}),
        ("sen husnu", {"quiet"}),
        ("gölge çağrı", {"quiet"}),
        ("yilmaz sor", {"asked"}),
        ("x", set()),
    ],
)
def test_streams_and_cases_are_found_by_words_of_the_title_and_of_the_creator(
    text: str, names: set[str], world: dict[str, Any], office: Office, reader: User
) -> None:
    client = office(reader)
    streams = client.get(list_url(LiveStream), {"q": text}).context["cl"].result_list
    cases = client.get(list_url(ReportCase), {"q": text}).context["cl"].result_list
    assert {stream.pk for stream in streams} == {world[name].pk for name in names}
    assert {case.stream_id for case in cases} == {world[name].pk for name in names}


def test_reminders_are_found_by_words_in_any_order(
    people: dict[str, User], creator: User, office: Office, reader: User
) -> None:
    notify_of_start(make_stream(creator), [people["ozturk"], people["isil"]])
    found = office(reader).get(list_url(Reminder), {"q": "öztürk MIA"}).context["cl"].result_list
    assert [reminder.user_id for reminder in found] == [people["ozturk"].pk]


def test_a_search_keeps_the_filters(world: dict[str, Any], office: Office, reader: User) -> None:
    found = office(reader).get(list_url(LiveStreamBan), {"q": "ozturk", "stream__id__exact": world["asked"].pk})
    assert [ban.pk for ban in found.context["cl"].result_list] == [world["mia"].pk]


def test_words_that_are_common_but_not_together_are_found_and_the_page_says_what_may_be_missing(
    world: dict[str, Any], office: Office, reader: User, people: dict[str, User], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "FEW", 1)
    make_user("mia2", name="Mia", surname="Ak")
    make_user("veli", name="Veli", surname="Öztürk")

    answer = office(reader).get(list_url(LiveStreamBan), {"q": "mia öztürk"})

    assert {ban.pk for ban in answer.context["cl"].result_list} == {world["mia"].pk, world["quiet ban"].pk}
    assert messages_of(answer) == ["Too many rows have these words: some may be missing here. Add a word."]


def test_one_rare_word_is_enough_to_find_all(
    world: dict[str, Any], office: Office, reader: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "FEW", 1)
    make_user("mia2", name="Mia", surname="Ak")

    answer = office(reader).get(list_url(LiveStreamBan), {"q": "mia öztürk gölge"})

    assert [ban.pk for ban in answer.context["cl"].result_list] == [world["quiet ban"].pk]
    assert messages_of(answer) == []


@pytest.mark.parametrize("model", SEARCHED)
def test_a_search_costs_the_same_for_many_rows(model: Any, office: Office, creator: User) -> None:
    client = office(User.objects.create_superuser("root"))

    def cost() -> int:
        return statements_of(client, list_url(model), {"q": "evening öztürk"})

    hosts = [make_user(f"host{number}", name="Öztürk", surname="Evening") for number in range(6)]
    make_ban(creator, make_stream(hosts[0]))
    make_report(creator, LiveStream.objects.get())
    one = cost()
    for host in hosts[1:]:
        make_ban(creator, make_stream(host))
    assert cost() == one
