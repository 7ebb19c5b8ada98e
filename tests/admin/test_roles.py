"""The roles that migrations make, and what each may do in the admin."""

import os
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.management import create_permissions
from django.contrib.auth.models import Group, Permission

from accounts.models import User
from tests.admin import roles
from tests.admin.rows import ids_of_rows
from tests.streams import make_stream


@pytest.fixture
def rows(creator: User) -> Mapping[str, str]:
    return ids_of_rows(make_stream(creator))


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("role", roles.ROLES)
def test_the_table_says_what_each_role_may_do_and_has_every_page_and_action(role: str, rows: Mapping[str, str]) -> None:
    found = roles.cells_of(role, rows)
    table = roles.read()
    if os.environ.get("WRITE_ROLES"):
        kept = {route: table.get(route, {}) | {role: cell} for route, cell in found.items()}
        roles.TABLE.write_text(roles.written(kept))
    assert {route: by_role[role] for route, by_role in roles.read().items()} == found


OWN = {"/admin/", "/admin/preferences/", "/admin/search/", "/admin/front-page/data/"}


def test_without_permissions_there_are_only_the_pages_of_everybody() -> None:
    allowed = {route for route, cells in roles.read().items() if "yes" in cells["nobody"]}
    assert allowed == OWN


def test_a_superuser_may_do_what_any_role_may() -> None:
    for route, cells in roles.read().items():
        assert all("403" in cells[role] or cells[role] == cells["superuser"] for role in roles.ROLES), route


def test_operators_do_not_moderate_and_moderators_do_not_operate() -> None:
    for route, cells in roles.read().items():
        post = {role: cell.rpartition(" / ")[2] for role, cell in cells.items()}
        if "/bans/" in route or "/ban" in route or "/notes/" in route:
            assert post["ops"] in {"403", "405"}, route
        if "/reminders/" in route:
            assert {post["moderator"], post["senior"]} == {"403"}, route
        if "overrule" in route or "/export/" in route or "/team/" in route:
            if "/team/" in route:  # it is only read
                post = {role: cell.partition(" / ")[0] for role, cell in cells.items()}
            assert (post["moderator"], post["senior"]) == ("403", "yes"), route


# --- the groups -----------------------------------------------------------------------------------


def held(group: str) -> set[str]:
    found = Permission.objects.filter(group__name=group)
    return {f"{app}.{codename}" for app, codename in found.values_list("content_type__app_label", "codename")}


def test_the_roles_have_the_permissions_that_were_decided(db: None) -> None:
    moderators, seniors, ops = map(held, ("Moderators", "Senior moderators", "Ops"))
    assert {"bans.moderate", "accounts.add_personnote", "accounts.view_personnote"} <= moderators
    assert seniors - moderators == {
        "accounts.change_user", "accounts.view_session", "bans.overrule", "bans.view_team_figures",
        "common.export_auditentry",
    }  # fmt: skip
    assert moderators <= seniors
    assert "bans.moderate" not in ops
    assert {each for each in ops if ".view_" not in each} == {
        "accounts.change_user", "common.export_auditentry", "livestreams.change_livestream",
        "reminders.change_delivery",
    }  # fmt: skip


def test_permissions_have_the_names_that_django_gives_them(db: None) -> None:
    def names() -> dict[str, str]:
        return dict(Permission.objects.values_list("codename", "name"))

    before = names()
    Permission.objects.filter(group__name__in=roles.GROUPS.values()).delete()
    for app in apps.get_app_configs():
        create_permissions(app, verbosity=0)
    assert names() == before


@pytest.mark.parametrize("before", ["as migrated", "without a permission", "without the groups", "with one more"])
def test_the_migration_is_idempotent_and_keeps_what_was_added(before: str, db: None) -> None:
    migration: Any = import_module("reminders.migrations.0007_roles")
    expected = {name: held(name) for name in migration.ROLES}
    ops = Group.objects.get(name="Ops")
    match before:
        case "without a permission":
            ops.permissions.remove(ops.permissions.all()[0])
        case "without the groups":
            Group.objects.filter(name__in=["Ops", "Senior moderators"]).delete()
        case "with one more":
            ops.permissions.add(Permission.objects.get(codename="enforce"))
            expected["Ops"] |= {"livestreams.enforce"}

    for _ in range(2):
        migration.make_roles(apps, None)

    assert {name: held(name) for name in migration.ROLES} == expected


def test_a_group_of_moderators_that_was_removed_is_not_made_again(db: None) -> None:
    Group.objects.filter(name="Moderators").delete()
    import_module("reminders.migrations.0007_roles").make_roles(apps, None)
    assert not Group.objects.filter(name="Moderators").exists()
