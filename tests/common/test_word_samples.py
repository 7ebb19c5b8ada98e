"""Estimates of how many rows have a word, which only decide the way in which a search finds its rows."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection

from accounts.models import User
from accounts.reads import USERS
from benchmarks.growth.rows import Size, fill
from common import pagination, word_samples, word_search
from common.word_samples import LEAST_SEEN, WordSample
from common.word_search import Search
from livestreams.models import LiveStream
from tests.conftest import Api, make_user
from tests.envelope import data_of
from tests.streams import make_stream

ROWS = 4_000
URL = "/api/v1/users/search"


@pytest.fixture
def people(db: None) -> None:
    """One in eight is called Ada, one in five Kaya; their usernames are numbered."""
    with connection.cursor() as cursor:
        fill(cursor.execute, Size(users=ROWS, streams=0, bans=0, viewers=0))


@pytest.fixture
def search(people: None) -> Iterator[Search]:
    assert USERS.search is not None
    USERS.search.sample.forget()
    yield USERS.search
    USERS.search.sample.forget()


def test_a_sample_tells_about_how_many_rows_have_a_word(people: None) -> None:
    sample = WordSample("names_folded")

    assert ROWS / 16 < sample.rows_with(User, "ada") < ROWS / 4
    assert ROWS / 10 < sample.rows_with(User, "kaya") < ROWS / 2
    assert sample.rows_with(User, "user") == pytest.approx(ROWS, rel=0.1)
    assert sample.rows_with(User, "user3999") == 0
    assert sample.rows_with(User, "nothing like it") == 0


def test_texts_that_occur_often_count_with_their_shares(people: None) -> None:
    User.objects.filter(username__startswith="user1").update(names_folded="somebody")  # more than a quarter
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE accounts_user")
    sample = WordSample("names_folded")._read(User)

    assert [text for text, _share in sample.common] == ["somebody"]
    assert sample.rows_with("somebody") == 0, f"one text is fewer than {LEAST_SEEN}"
    assert sample.rows_with("user") == pytest.approx(
        User.objects.filter(names_folded__contains="user").count(), rel=0.1
    )


def test_a_table_that_was_never_analyzed_has_no_common_words(db: None) -> None:
    make_stream(make_user("ada"), title="Ada")

    assert WordSample("title_folded").rows_with(LiveStream, "ada") == 0


def test_a_sample_is_read_again_after_a_while(people: None, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(word_samples, "monotonic", lambda: clock[0])
    sample = WordSample("names_folded")
    assert sample.rows_with(User, "somebody") == 0
    User.objects.update(names_folded="somebody else")
    User.objects.filter(username__endswith="7").update(names_folded="user seven")
    for number in range(10):
        User.objects.filter(username__endswith=f"{number}1").update(names_folded=f"somebody {number}")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE accounts_user")

    assert sample.rows_with(User, "somebody") == 0
    clock[0] += word_samples.RENEWED_AFTER + 1
    assert sample.rows_with(User, "somebody") > ROWS / 2


@pytest.mark.parametrize(
    "words", ["ada", "kaya ada", "ada user77", "user3999 kaya", "user1 ada kaya", "zeynep user nobody"]
)
@pytest.mark.parametrize(("few", "many"), [(1_000, 5_000), (3, 5), (0, 2)])
def test_all_ways_find_the_same_rows(
    words: str, few: int, many: int, search: Search, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also those that are chosen for common words: with `MANY` of two, the words of these names are common."""
    for module in (pagination, word_search):
        monkeypatch.setattr(module, "FEW", few)
        monkeypatch.setattr(module, "MANY", many)
    client: Any = api(make_user("caller"))
    wanted = User.objects.all()
    for word in words.split():
        wanted = wanted.filter(names_folded__contains=word)

    ids: list[str] = []
    after: dict[str, str] = {}
    while True:
        answer = client.get(URL, {"q": words, "limit": 100} | after)
        ids += [user["_id"] for user in data_of(answer)["list"]]
        if "X-Next-Cursor" not in answer.headers:
            break
        after = {"after": answer.headers["X-Next-Cursor"]}

    assert ids == list(wanted.order_by("-created_at", "-pk").values_list("pk", flat=True))


def test_the_index_is_not_asked_for_a_word_that_is_known_to_be_common(
    search: Search, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(word_search, "MANY", 100)

    assert not search.may_find(("ada",))
    assert search.may_find(("kaya", "ada"))
    assert search.may_find(("user3999",))
    assert not search.may_find(("ad",))


def test_common_words_are_compared_with_the_rows_that_a_rare_one_finds(
    search: Search, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(word_search, "MANY", 100)
    asked: list[tuple[Any, ...]] = []
    rows = search._matching.rows

    def recorded(*shape: Any, **given: Any) -> Any:
        asked.append(shape)
        return rows(*shape, **given)

    monkeypatch.setattr(search._matching, "rows", recorded)

    found = search.found(("user200", "ada"), up_to=50)

    wanted = User.objects.filter(names_folded__contains="user200").filter(names_folded__contains="ada")
    assert set(found or ()) == set(wanted.values_list("pk", flat=True))
    assert asked == [(1, True, True)]
    # More rows have the rare word than are compared.
    assert len(search.found(("user200", "ada"), up_to=5) or ()) == wanted.count()
    assert asked[1:] == [(1, True, True), (2, False, False)]
