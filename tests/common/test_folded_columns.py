"""Folded columns are filled by all ways to save a row, and recomputed by migrations."""

from typing import Any

import pytest
from django.apps import apps
from django.db import connection

from accounts.models import User
from common import search
from common.search import FoldedColumn, SearchedModel, fold_again
from livestreams import services
from livestreams.models import LiveStream
from tests.conftest import make_user
from tests.streams import make_stream


def named(user: User) -> str:
    return User.objects.values_list("names_folded", flat=True).get(pk=user.pk)


def test_each_way_to_save_a_user_folds_the_names(db: None) -> None:
    user = make_user("gul", name="Gül", surname="IŞIK")
    assert named(user) == "gul gul isik"

    user.surname = "Öztürk"
    user.save(update_fields=["surname"])
    assert named(user) == "gul gul ozturk"

    user.name = "ΣΟΦΟΣ"
    user.save()
    assert named(user) == "gul σοφοσ ozturk"

    (many,) = User.objects.bulk_create([User(username="ada", name="ÉMILIE")])
    assert named(many) == "ada emilie"


def test_an_edit_of_a_title_folds_it(creator: User) -> None:
    stream = make_stream(creator, title="Straße")
    assert stream.title_folded == "strasse"

    services.edit_stream(stream.pk, by=creator, now=stream.created_at, changes={"title": "Ёлка"})

    assert LiveStream.objects.values_list("title_folded", flat=True).get(pk=stream.pk) == "елка"


def test_every_model_with_a_folded_column_saves_it_with_its_parts() -> None:
    holders = [
        model for model in apps.get_models() if any(isinstance(f, FoldedColumn) for f in model._meta.concrete_fields)
    ]
    assert {User, LiveStream} <= set(holders)
    assert all(issubclass(model, SearchedModel) for model in holders)


@pytest.mark.parametrize("at_once", [1, 2, 3, 100])
def test_all_rows_are_folded_again_in_batches_of_any_size(at_once: int, db: None, monkeypatch: Any) -> None:
    monkeypatch.setattr(search, "ROWS_AT_ONCE", at_once)
    people = [make_user(f"p{number}", name=f"Ş{number}") for number in range(6)]
    User.objects.filter(pk__in=[person.pk for person in people[:4]]).update(names_folded="")

    assert fold_again(User, "names_folded") == 4
    assert [named(person) for person in people] == [f"p{number} s{number}" for number in range(6)]
    assert fold_again(User, "names_folded") == 0


def test_a_process_of_the_previous_version_can_still_insert_a_row(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO accounts_user (id, password, is_superuser, username, username_key, name, surname, email,"
            " availability_status, is_staff, is_active, created_at, updated_at, identity_issuer, identity_subject)"
            " VALUES ('\\x000000000000000000000001', '', false, 'old', 'old', 'Öz', '', '', 'offline', false, true,"
            " now(), now(), '', '')"
        )

    assert fold_again(User, "names_folded") == 1
    assert User.objects.get(username="old").names_folded == "old oz"
