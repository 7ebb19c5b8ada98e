"""The benchmark of the admin measures every page, order, filter and search, with rows as the service has them."""

from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.db import connection
from django.db.models import ForeignKey
from django.test import RequestFactory

from accounts.models import User
from bans.models import Appeal, LiveStreamBan
from benchmarks.admin.__main__ import Cost, Measured, written
from benchmarks.admin.cases import Case, cases
from benchmarks.admin.rows import AdminSize, fill_for_admin
from benchmarks.growth.rows import Size
from common.admin import pages, panels
from common.admin.changelist import declared_parameters
from common.models import AuditEntry
from reminders.models import Delivery

pytestmark = pytest.mark.slow

FEW = AdminSize(
    rows=Size(users=2_000, streams=2_000, bans=3_000, viewers=10, reminders=100, reports=100),
    evening=300,
    audited=2_000,
    rounds=500,
)


@pytest.fixture
def root(db: None, settings: Any) -> User:
    settings.NOTIFICATION_CHANNELS = dict(settings.KNOWN_CHANNELS)
    with connection.cursor() as cursor:
        fill_for_admin(cursor, FEW)
    return User.objects.create_superuser("root", "password")


def test_every_list_order_filter_search_tab_and_page_is_measured(root: User) -> None:
    request = RequestFactory().get("/admin/")
    request.user = root
    found = list(cases(root))
    assert len({(case.path, str(case.query)) for case in found}) == len(found)

    for model, model_admin in admin.site._registry.items():
        place = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        of_list = [case for case in found if case.path == place]
        asked = {name for case in of_list for name in case.query}
        shown = model_admin.get_changelist_instance(request)
        assert set(filter(is_offered, declared_parameters(model_admin, request))) <= asked
        assert ("q" in asked) is bool(model_admin.get_search_fields(request))
        orders = {case.query["o"].removeprefix("-") for case in of_list if "o" in case.query}
        assert {shown.list_display[int(order)] for order in orders} == set(
            filter(shown.get_ordering_field, shown.sortable_by or ())
        )
        tabs = {case.query["tab"] for case in found if case.path.startswith(place) and "tab" in case.query}
        assert tabs == {panel.name for panel in panels.panels_of(model)[1:]}
    addresses = {case.path for case in found}
    for pattern in pages.added():
        start = f"/admin/{str(pattern.pattern).partition('<')[0]}"
        assert any(address.startswith(start) for address in addresses), pattern
    assert [case for case in found if case.is_front_page] == [Case("/admin/", is_front_page=True)]


def is_offered(name: str) -> bool:
    """Not a time of day, which needs its date, and not "is empty", which no column is."""
    return not name.endswith(("_from_1", "_to_1", "__isnull"))


def reference(field: Any) -> Any:
    return field if isinstance(field, ForeignKey) else None


def test_rows_refer_to_rows_that_exist(root: User) -> None:
    for model in apps.get_models():
        for field in map(reference, model._meta.concrete_fields):
            if field is not None and field.db_constraint:
                existing = field.remote_field.model._base_manager.values(field.target_field.attname)
                referring = model._base_manager.exclude(**{field.attname: None})
                assert not referring.exclude(**{f"{field.attname}__in": existing}).exists(), field


def test_there_are_bans_of_all_verdicts_raids_appeals_deliveries_and_audit_rows(root: User) -> None:
    reviews = set(LiveStreamBan.all_objects.values_list("review", flat=True))
    assert reviews == set(LiveStreamBan.Review)
    assert LiveStreamBan.objects.filter(batch_id__isnull=False).values("batch_id").distinct().count() >= 2
    assert set(Appeal.objects.values_list("state", flat=True)) == set(Appeal.State)
    assert Delivery.objects.filter(state=Delivery.State.DELIVERED).exists()
    assert AuditEntry.objects.filter(reason__startswith="The second").count() > FEW.audited // 20
    assert AuditEntry.objects.count() >= FEW.audited


def test_a_page_is_above_what_is_allowed_by_its_statements_or_its_time() -> None:
    quick = Cost(statements=9, whole=[90.0] * 18 + [150.0, 900.0], sql=20.0, cpu=80.0)
    slow = Cost(statements=16, whole=[300.0] * 20, sql=200.0, cpu=200.0)

    found = [
        Measured("/admin/quick/", "moderator", is_front_page=False, cost=quick, status=200),
        Measured("/admin/slow/", "moderator", is_front_page=False, cost=slow, status=200),
        Measured("/admin/", "superuser", is_front_page=True, cost=quick, status=200),
        Measured("/admin/broken/", "superuser", is_front_page=False, cost=None, status=500),
    ]

    assert [one.faults for one in found] == [
        [],
        ["16 statements", "p95 300 ms"],
        ["9 statements", "p95 150 ms"],
        ["answered with 500"],
    ]
    report = written(FEW, found)
    assert "4 pages, orders, filters and searches; 3 are above what is allowed." in report
    assert "| `/admin/quick/` | moderator | 9 | 90.0 | 150.0 | 20.0 | 80.0 |" in report
