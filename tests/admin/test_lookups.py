"""Lists of the admin refuse lookups on columns without a declared filter, and show no secrets."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import BadRequest, SuspiciousOperation
from django.db.models import ForeignKey, Model
from django.test import Client, RequestFactory
from django.utils import timezone

from accounts.models import Session, User
from common.admin import ReadOnlyAdmin
from edges.models import JoinKey
from edges.services.join_keys import rotate_join_key
from livestreams.models import LiveStream
from reminders.models import Chunk
from tests.admin.conftest import Office
from tests.admin.pages import list_url, page_url, text_of
from tests.conftest import make_user, session_of

pytestmark = pytest.mark.slow

REGISTERED = sorted(admin.site._registry, key=lambda model: model._meta.label)
LOOKUPS = ("", "exact", "iexact", "startswith", "icontains", "regex", "gt", "lte", "in", "isnull", "year", "has_key")


@pytest.fixture
def root(db: None) -> User:
    return User.objects.create_superuser("root", "password")


@pytest.fixture
def world(populated: LiveStream, db: None) -> LiveStream:
    rotate_join_key(by=None, now=timezone.now())
    return populated


def paths_of(model: type[Model], depth: int = 2) -> Iterator[str]:
    """Every field of the model and of its related models, in both directions."""
    for field in model._meta.get_fields():
        yield field.name
        if depth > 1 and isinstance(field.related_model, type):
            for inner in paths_of(field.related_model, depth - 1):
                yield f"{field.name}__{inner}"


def declared(model: type[Model], client: Client) -> set[str]:
    """The parameters of the filters of the list."""
    changelist: Any = client.get(list_url(model)).context["cl"]
    shown = {name for spec in changelist.filter_specs for name in spec.expected_parameters()}
    # A filter with nothing to choose from is not on the page.
    return shown | {one.parameter_name for one in changelist.list_filter if callable(one)}


@pytest.mark.parametrize("model", REGISTERED)
def test_every_list_has_the_shared_base(model: type[Model]) -> None:
    assert isinstance(admin.site._registry[model], ReadOnlyAdmin)


@pytest.mark.parametrize("model", REGISTERED)
def test_every_undeclared_lookup_on_any_column_is_refused(
    model: type[Model], office: Office, root: User, world: LiveStream, rf: RequestFactory
) -> None:
    """Builds the changelist without rendering its page, because there are thousands of lookups."""
    allowed = declared(model, office(root))
    model_admin: Any = admin.site._registry[model]
    tried = 0
    for path in paths_of(model):
        for lookup in LOOKUPS:
            name = f"{path}__{lookup}" if lookup else path
            if name in allowed:
                continue
            request = rf.get(list_url(model), {name: "a"})
            request.user = root
            with pytest.raises((BadRequest, SuspiciousOperation, IncorrectLookupParameters)):
                model_admin.get_changelist_instance(request)
            tried += 1
    assert tried > 100, "no columns were found"


@pytest.mark.parametrize("model", REGISTERED)
def test_the_page_of_an_undeclared_lookup_has_no_rows(
    model: type[Model], office: Office, root: User, world: LiveStream
) -> None:
    client = office(root)
    for field in model._meta.concrete_fields:
        answer = client.get(list_url(model), {f"{field.name}__startswith": "a"})
        assert answer.status_code == 400
        assert "cl" not in (answer.context or {})
        assert f"{field.name}__startswith: this list has no such filter" in text_of(answer)


def test_these_are_the_filters_of_the_list_of_users(office: Office, root: User) -> None:
    assert declared(User, office(root)) == {
        "is_staff__exact", "is_staff__isnull",
        "is_active__exact", "is_active__isnull",
        "availability_status__exact", "availability_status__isnull",
        "created_at_from_0", "created_at_from_1", "created_at_to_0", "created_at_to_1",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["password", "identity_subject", "identity_issuer", "sessions__refresh_id"])
@pytest.mark.parametrize("lookup", ["startswith", "regex", "gt", "contains", "exact"])
def test_a_guess_at_a_secret_gets_the_same_page_whether_it_is_right_or_wrong(
    name: str, lookup: str, office: Office, reader: User, world: LiveStream
) -> None:
    victim = make_user("victim", identity_issuer="https://id.example", identity_subject="subject-1")
    session = session_of(victim)
    value = session.refresh_id if name.startswith("sessions") else str(getattr(victim, name))
    right = {"regex": "^.", "gt": "!"}.get(lookup, value)
    client = office(reader)

    pages = []
    for guess in (right, f"{value}-not"):
        answer = client.get(list_url(User), {f"{name}__{lookup}": guess})
        assert answer.status_code == 400
        pages.append(re.sub(rb'(?<=name="csrfmiddlewaretoken" value=")\w+', b"", answer.content))

    assert pages[0] == pages[1]
    assert b"victim" not in pages[0]


@pytest.mark.parametrize("model", REGISTERED)
def test_rows_are_referenced_only_by_their_primary_key(
    model: type[Model], office: Office, root: User, world: LiveStream
) -> None:
    client = office(root)
    row = model._base_manager.order_by("pk")[0]
    for field in model._meta.concrete_fields:
        if field.primary_key:
            continue
        listed = client.get(list_url(model), {"_to_field": field.name})
        opened = client.get(page_url(row), {"_to_field": field.name})
        assert (listed.status_code, opened.status_code) == (400, 400), field.name


def order_of(changelist: Any) -> list[Any]:
    return list(dict.fromkeys(changelist.queryset.query.order_by))


@pytest.mark.parametrize("model", REGISTERED)
def test_a_list_is_sorted_only_by_sortable_columns(
    model: type[Model], office: Office, root: User, world: LiveStream
) -> None:
    client = office(root)
    model_admin: Any = admin.site._registry[model]
    usual = client.get(list_url(model)).context["cl"]
    shown = [column for column in usual.list_display if column != "action_checkbox"]
    sortable = shown if model_admin.sortable_by is None else list(model_admin.sortable_by)
    for number, column in enumerate(usual.list_display):
        for asked in (f"{number}", f"-{number}"):
            sorted_list = client.get(list_url(model), {"o": asked}).context["cl"]
            if column not in sortable:
                assert order_of(sorted_list) == order_of(usual), (column, asked)


def test_a_list_without_sortable_columns_ignores_the_order_parameter(
    office: Office, root: User, world: LiveStream
) -> None:
    client = office(root)
    for number in range(8):
        assert order_of(client.get(f"/admin/reminders/chunk/?o={number}").context["cl"]) == ["-id"]


@pytest.mark.slow
@pytest.mark.parametrize("model", REGISTERED)
def test_every_declared_filter_still_works(model: type[Model], office: Office, root: User, world: LiveStream) -> None:
    client = office(root)
    names = declared(model, client)
    assert names
    for name in names:
        for value in ("", "a", "f" * 24, "2026-01-01", "%00", "x" * 5000):
            answer = client.get(list_url(model), {name: value})
            assert answer.status_code in {200, 400}, (name, value)


@pytest.mark.parametrize("model", REGISTERED)
@pytest.mark.parametrize(
    "query", ["_facets=True", "e=1", "_popup=1", "all=", "p=99999", "p=-1", "_source_model=accounts.user"]
)
def test_the_other_parameters_of_django_show_nothing_more_and_do_not_crash(
    model: type[Model], query: str, office: Office, root: User, world: LiveStream
) -> None:
    assert office(root).get(f"{list_url(model)}?{query}").status_code in {200, 302}


def test_chunks_are_filtered_by_round(office: Office, root: User, world: LiveStream) -> None:
    chunk = Chunk.objects.get()
    listed = office(root).get(f"/admin/reminders/chunk/?round__id__exact={chunk.round_id}")
    nothing = office(root).get(f"/admin/reminders/chunk/?round__id__exact={'f' * 24}")
    assert [row.pk for row in listed.context["cl"].result_list] == [chunk.pk]
    assert list(nothing.context["cl"].result_list) == []


# --- autocomplete ---------------------------------------------------------------------------------


def foreign_keys() -> Iterator[ForeignKey[Any, Any]]:
    for model in apps.get_models():
        for field in model._meta.concrete_fields:
            if isinstance(field, ForeignKey):
                yield field


@pytest.mark.parametrize("field", [*foreign_keys()], ids=str)
def test_autocomplete_needs_the_permission_to_view_and_searches_no_secrets(
    field: ForeignKey[Any, Any], office: Office, root: User, world: LiveStream
) -> None:
    newcomer = make_user("newcomer", is_staff=True)
    asked = {
        "app_label": field.model._meta.app_label,
        "model_name": field.model._meta.model_name or "",
        "field_name": field.name,
        "term": "",
    }
    assert office(newcomer).get("/admin/autocomplete/", asked).status_code in {403, 404}

    found = office(root).get("/admin/autocomplete/", asked)
    if field.related_model not in REGISTERED:
        assert found.status_code in {403, 404}
        return
    assert found.status_code == 200
    for secret in secrets_of_the_world():
        for part in (secret, secret[:12]):
            answer = office(root).get("/admin/autocomplete/", asked | {"term": part}).json()
            assert answer["results"] == []


# --- secrets --------------------------------------------------------------------------------------


def secrets_of_the_world() -> list[str]:
    kept = [user.password for user in User.objects.exclude(password="").order_by("pk")]
    kept += Session.objects.order_by("pk").values_list("refresh_id", flat=True)
    kept += JoinKey.objects.order_by("pk").values_list("private_key", flat=True)
    return kept


@pytest.mark.parametrize("model", REGISTERED)
def test_no_page_shows_a_hash_or_a_key(
    model: type[Model], office: Office, root: User, world: LiveStream, settings: Any
) -> None:
    settings.WEBHOOK_SECRETS = ["whsec_c2VjcmV0IG9mIHRoZSB3ZWJob29r"]
    session_of(world.creator)
    client = office(root)
    secrets = [*secrets_of_the_world(), *settings.WEBHOOK_SECRETS, settings.SECRET_KEY, settings.JWT_SIGNING_KEY]
    assert len(secrets) > 5
    pages = [client.get(list_url(model))]
    for row in model._base_manager.order_by("pk")[:20]:
        pages += [client.get(page_url(row)), client.get(page_url(row, "history"))]
    for page in pages:
        assert page.status_code == 200
        text = page.content.decode()
        assert [secret for secret in secrets if secret in text] == []
