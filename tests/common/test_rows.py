"""Row serializers: their columns, and that nested objects keep their own values."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import models
from django.db.models import Value
from rest_framework import serializers

from accounts.models import User
from common.queries import Param, Question
from common.rows import Derived, ReadSerializer, Siblings, ZeroOrOne
from common.serializers import IdField, WireTime
from tests.conftest import make_user

NOON = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)


def joined(*values: object) -> str:
    return "+".join(str(value["id"] if isinstance(value, dict) else value) for value in values)


class Leaf(ReadSerializer):
    id = serializers.CharField()


class Branch(ReadSerializer):
    """Uses `owner` in a sibling, as the object that contains it does."""

    id = serializers.CharField()
    owner = Leaf()
    summary = Siblings(serializers.CharField(), of=["owner"], columns=["rank"], by=joined)


class Tree(ReadSerializer):
    id = serializers.CharField()
    owner = Leaf()
    branch = Branch()
    summary = Siblings(serializers.CharField(), of=["owner", "id"], by=joined)


class TwoBranches(ReadSerializer):
    owner = Branch()
    other = Branch()
    summary = Siblings(serializers.CharField(), of=["owner", "other"], by=joined)


def wire(kind: type[ReadSerializer], **values: Any) -> dict[str, Any]:
    return kind.to_wire([values[column] for column in kind.columns()])


def test_a_nested_object_does_not_overwrite_a_value_of_the_same_name() -> None:
    found = wire(Tree, id="tree", owner__id="outer", branch__id="branch", branch__owner__id="inner", branch__rank=7)
    assert found == {
        "id": "tree",
        "owner": {"id": "outer"},
        "branch": {"id": "branch", "owner": {"id": "inner"}, "summary": "inner+7"},
        "summary": "outer+tree",
    }


def test_two_nested_objects_of_one_serializer_keep_their_own_values() -> None:
    values = {
        "owner__id": "first",
        "owner__owner__id": "a",
        "owner__rank": 1,
        "other__id": "second",
        "other__owner__id": "b",
        "other__rank": 2,
    }
    found = wire(TwoBranches, **values)
    assert found["owner"] == {"id": "first", "owner": {"id": "a"}, "summary": "a+1"}
    assert found["other"] == {"id": "second", "owner": {"id": "b"}, "summary": "b+2"}
    assert found["summary"] == "first+second"


@pytest.mark.parametrize("name", ["r", "caller", "time", "optional_time", "constant_0", "variable_1", "from"])
def test_a_field_may_have_any_name(name: str) -> None:
    """In the generated code, the name of a field is only a key of a dictionary."""
    kind: type[ReadSerializer] = type(
        "Named",
        (ReadSerializer,),
        {
            name: Leaf(source="leaf"),
            "at": WireTime(),
            "summary": Siblings(serializers.CharField(), of=[name], columns=["rank"], by=joined),
            "asked": Derived(serializers.CharField(), of=["rank"], by=joined, asks_caller=True),
        },
    )
    values = {"leaf__id": "leaf", "at": NOON, "rank": 3}
    assert kind.to_wire([values[column] for column in kind.columns()], "somebody") == {
        name: {"id": "leaf"},
        "at": "2026-01-15T12:00:00.000Z",
        "summary": "leaf+3",
        "asked": "somebody+3",
    }


def test_a_field_must_be_declared_before_siblings_that_use_it() -> None:
    class Late(ReadSerializer):
        summary = Siblings(serializers.CharField(), of=["owner"], by=joined)
        owner = Leaf()

    with pytest.raises(TypeError, match="summary: owner must be declared before it"):
        Late.columns()


def test_each_column_is_asked_for_once_and_further_values_of_a_row_are_ignored() -> None:
    class Twice(ReadSerializer):
        first = serializers.CharField(source="name")
        second = Derived(serializers.CharField(), of=["name", "rank"], by=joined)

    assert Twice.columns() == ("name", "rank")
    assert Twice.to_wire(["a", 1, "further"]) == {"first": "a", "second": "a+1"}


def test_a_subclass_has_its_own_columns() -> None:
    class More(Leaf):
        rank = serializers.IntegerField()

    assert (Leaf.columns(), More.columns()) == (("id",), ("id", "rank"))


@pytest.mark.parametrize(("key", "several", "one"), [(None, [], None), ("a", [{"id": "a"}], {"id": "a"})])
def test_a_missing_relation_is_an_empty_list_or_null(key: str | None, several: list[Any], one: Any) -> None:
    class Related(ReadSerializer):
        several = ZeroOrOne(child=Leaf(), source="leaf")
        one = Leaf(source="leaf", allow_null=True)

    assert wire(Related, leaf__id=key) == {"several": several, "one": one}


def test_a_compiled_query_returns_the_rows_that_a_serializer_expects(db: None) -> None:
    class Name(ReadSerializer):
        id = IdField()
        username = serializers.CharField()
        created = WireTime(source="created_at")

    user = make_user("selin")
    User.objects.filter(pk=user.pk).update(created_at=NOON)
    question = Question(
        lambda: User.objects.filter(pk=Param("id", User._meta.pk)).values_list(
            *Name.columns(), Value(1, output_field=models.IntegerField())
        )
    )
    (row,) = question.rows(id=user.pk)
    assert Name.to_wire(row) == {"id": user.pk, "username": "selin", "created": "2026-01-15T12:00:00.000Z"}
