"""Every column that can hold personal data is declared, and every declaration is exported and erased as it says."""

from typing import Any

import pytest
from django.apps import apps
from django.db import models
from django.db.models.expressions import Combinable
from django.db.models.functions import Upper

from common import erasure
from common.admin.audit_registry import actions, kinds
from common.personal_data import (
    Elsewhere,
    Keep,
    Remove,
    Replace,
    Source,
    can_hold_text,
    sources,
    trail_keys,
    unclassified,
)
from tests.people.commands import erase, export
from tests.people.world import World

TABLES = apps.get_models(include_auto_created=True)


def test_every_column_that_can_hold_personal_data_is_declared() -> None:
    """Declare a new column in `personal_data.py` of its app: how it is erased, or why it holds no personal data."""
    assert unclassified(TABLES) == []


@pytest.mark.parametrize(
    "column",
    [
        models.CharField(max_length=10),
        models.TextField(),
        models.JSONField(),
        models.BinaryField(),
        models.GenericIPAddressField(),
        models.UUIDField(),
        models.FileField(),
        models.GeneratedField(expression=Upper("title"), output_field=models.TextField(), db_persist=True),
        models.ForeignKey("accounts.User", models.CASCADE),
    ],
)
def test_a_new_column_of_any_kind_that_can_hold_personal_data_is_found(column: Any) -> None:
    stream = next(model for model in TABLES if model.__name__ == "LiveStream")
    column.set_attributes_from_name("nickname")
    column.model = stream
    if column.is_relation:
        column.remote_field.model = next(model for model in TABLES if model.__name__ == "User")

    class Stub:
        class _meta:  # noqa: N801 - the name in Django
            label, concrete_fields = "livestreams.LiveStream", [column]

    assert unclassified([Stub]) == ["livestreams.LiveStream.nickname"]  # type: ignore[list-item]


def test_a_column_without_its_declaration_is_found(settings: Any) -> None:
    settings.PERSONAL_DATA = [path for path in settings.PERSONAL_DATA if not path.startswith("bans.")]
    missing = unclassified(TABLES)
    assert {"bans.LiveStreamBan.reason", "bans.LiveStreamBan.target", "bans.BulkRequest.payload"} < set(missing)
    assert all(name.startswith("bans.") for name in missing)


def test_every_key_of_the_audit_trail_that_is_no_column_is_declared() -> None:
    declared = {keys.kind: {*keys.names, *keys.searches, *keys.others} for keys in trail_keys()}
    for kind in kinds().values():
        columns = {name for column in _columns(kind.model) for name in (column.name, column.attname)}
        assert set(kind.fields) - columns <= declared.get(kind.name, set()), kind.name


def _columns(model: type[models.Model] | None) -> list[Any]:
    return list(model._meta.concrete_fields) if model else []


def test_the_actions_with_which_people_make_rows_exist() -> None:
    for source in sources():
        if source.created_by:
            assert actions()[source.created_by].kind == source.model._meta.model_name


def test_names_of_sources_are_unique() -> None:
    names = [source.name for source in sources()]
    assert len(set(names)) == len(names)


def filled_columns(source: Source, person: Any) -> list[str]:
    """The columns that the source erases in which a row has a value."""
    rows = source.rows(person.pk).values(*source.erased)
    return sorted(name for name in source.erased if any(row[name] for row in rows))


@pytest.mark.parametrize("name", [source.name for source in sources() if source.name != "audit_redactions"])
def test_the_world_has_a_row_with_each_column_of_each_source(name: str, world: World) -> None:
    source = next(each for each in sources() if each.name == name)
    assert source.rows(world.person.pk).exists()
    texts = {column.name for column in source.model._meta.concrete_fields if can_hold_text(column)}
    assert set(filled_columns(source, world.person)) >= texts & source.erased


def test_each_column_is_exported_as_it_is_or_withheld(world: World) -> None:
    exported = export(world.person)
    for source in sources():
        rows = list(source.rows(world.person.pk).order_by("pk").values())
        assert len(exported[source.name]) == len(rows)
        for row, line in zip(rows, exported[source.name], strict=True):
            expected = {
                column.name: erasure.wire(row[column.attname])
                for column in source.model._meta.concrete_fields
                if column.name not in source.withheld
            }
            assert line == expected
            assert not source.withheld.keys() & line.keys()


def test_each_row_and_column_is_erased_as_its_source_says(world: World) -> None:
    person = world.person
    before = {source.name: list(source.rows(person.pk).order_by("pk").values()) for source in sources()}
    where = {source.name: [row[source.model._meta.pk.attname] for row in before[source.name]] for source in named()}

    erase(person)

    for source in sources():
        match source.erasure:
            case Remove():
                assert not source.rows(person.pk).exists(), source.name
            case Replace(values=values):
                rows = source.model._base_manager.filter(pk__in=where[source.name]).order_by("pk").values()
                for old, new in zip(before[source.name], rows, strict=True):
                    for column in old:
                        if column not in source.erased:
                            assert new[column] == old[column] or column in changed_elsewhere(source), column
                        elif column in values and not isinstance(values[column], Combinable):
                            assert new[column] == values[column], (source.name, column)
                        else:
                            assert new[column] != old[column], (source.name, column)
            case Keep():
                assert set(where[source.name]) <= set(source.rows(person.pk).values_list("pk", flat=True))
            case Elsewhere():
                pass  # tests/people/test_erasure.py


def named() -> list[Source]:
    return [source for source in sources() if not isinstance(source.model._meta.pk, models.CompositePrimaryKey)]


def changed_elsewhere(source: Source) -> set[str]:
    """Columns of the same row that another source erases."""
    return {name for each in sources() if each.model is source.model for name in each.erased}
