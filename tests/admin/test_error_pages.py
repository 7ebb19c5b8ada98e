"""Error pages of the admin, in its layout and in the language of the browser, for every kind of error."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib import admin
from django.core.exceptions import BadRequest, PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import InterfaceError, OperationalError, connection
from django.db.models import Model
from django.http import Http404
from django.test import Client
from django.utils.translation import override

from accounts.models import User
from livestreams.models import LiveStream
from tests.admin.conftest import Office
from tests.admin.pages import list_url, text_of
from tests.conftest import PASSWORD, make_user
from tests.servers import lost_database

REGISTERED = sorted(admin.site._registry, key=lambda model: model._meta.label)
LANGUAGES = ("en", "tr")
TITLES = {
    ("en", 400): "This request is not understood",
    ("en", 403): "You may not do this",
    ("en", 404): "There is no such page",
    ("en", 405): "This address is not for reading",
    ("en", 413): "This is too large",
    ("en", 500): "Something went wrong here",
    ("en", 503): "The database does not answer",
    ("en", "csrf"): "This form is not valid any more",
    ("tr", 400): "Bu istek anlaşılamadı",
    ("tr", 403): "Buna yetkiniz yok",
    ("tr", 404): "Böyle bir sayfa yok",
    ("tr", 405): "Bu adres okumak için değil",
    ("tr", 413): "Bu çok büyük",
    ("tr", 500): "Burada bir şeyler ters gitti",
    ("tr", 503): "Veritabanı yanıt vermiyor",
    ("tr", "csrf"): "Bu form artık geçerli değil",
}


@pytest.fixture(autouse=True)
def _no_language_left_behind() -> Any:
    with override(None):
        yield


@pytest.fixture
def root(db: None) -> User:
    return User.objects.create_superuser("root", "password")


@pytest.fixture
def newcomer(db: None) -> User:
    return make_user("newcomer", is_staff=True)


def assert_page(answer: Any, status: int, language: str, *, title: int | str = 0, in_frame: bool = True) -> None:
    """`in_frame`: with the sidebar; otherwise in the layout of the login page."""
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    text = answer.content.decode()
    assert f'<html lang="{language}"' in text
    assert TITLES[language, title or status] in text_of(answer)
    assert ('id="nav-sidebar' in text) == in_frame
    assert "unfold/css/styles.css" in text
    assert 'href="/admin/"' in text


def accepting(language: str) -> dict[str, str]:
    return {"Accept-Language": language}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("model", REGISTERED)
def test_a_missing_permission_is_an_error_page(
    model: type[Model], language: str, office: Office, newcomer: User
) -> None:
    client = office(newcomer)
    for address in (list_url(model), f"{list_url(model)}add/"):
        assert_page(client.get(address, headers=accepting(language)), 403, language)
    assert_page(client.post(list_url(model), {"action": "x"}, headers=accepting(language)), 403, language)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("model", REGISTERED)
def test_refused_and_wrong_urls_below_a_list_are_error_pages(
    model: type[Model], language: str, office: Office, root: User
) -> None:
    client, base = office(root), list_url(model)
    for status, address in (
        (403, f"{base}add/"),
        (404, base.removesuffix("/")),
        (400, f"{base}?no_such_column__startswith=a"),
    ):
        assert_page(client.get(address, headers=accepting(language)), status, language)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    "address", ["/admin/x", "/admin/x/", "/admin/a/b/c/d/", "/admin/r/1/x/", "/admin/r/999/1/", "/admin/%00/"]
)
def test_an_unknown_url_is_an_error_page_for_staff_and_the_login_for_others(
    address: str, language: str, office: Office, root: User, client: Client
) -> None:
    assert_page(office(root).get(address, headers=accepting(language)), 404, language)
    assert client.get(address).headers["Location"].startswith("/admin/login/")


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_failed_csrf_check_is_an_error_page(language: str, db: None, root: User) -> None:
    stranger = Client(enforce_csrf_checks=True)
    sent = {"username": "root", "password": "password"}
    answer = stranger.post("/admin/login/", sent, headers=accepting(language))
    assert_page(answer, 403, language, title="csrf", in_frame=False)

    stranger.force_login(root)
    answer = stranger.post("/admin/password_change/", sent, headers=accepting(language))
    assert_page(answer, 403, language, title="csrf")


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_wrong_method_is_an_error_page(language: str, office: Office, root: User) -> None:
    answer = office(root).get("/admin/logout/", headers=accepting(language))
    assert_page(answer, 405, language)
    assert "POST" in answer.headers["Allow"]


# --- exceptions of views --------------------------------------------------------------------------

RAISED = [
    (BadRequest(), 400), (SuspiciousOperation(), 400), (RequestDataTooBig(), 413), (PermissionDenied(), 403),
    (Http404(), 404), (ZeroDivisionError(), 500), (OperationalError(), 503), (InterfaceError(), 503),
]  # fmt: skip


@pytest.fixture
def breaking(monkeypatch: pytest.MonkeyPatch) -> Callable[[Exception], None]:
    def begin(error: Exception) -> None:
        def raising(*args: Any, **kwargs: Any) -> Any:
            raise error

        monkeypatch.setattr("django.contrib.admin.views.main.ChangeList.get_results", raising)

    return begin


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("error", "status"), RAISED, ids=lambda value: type(value).__name__)
def test_every_exception_is_an_error_page(
    error: Exception, status: int, language: str, office: Office, root: User, breaking: Any
) -> None:
    breaking(error)
    client = office(root)
    client.raise_request_exception = False
    answer = client.get(list_url(User), headers=accepting(language) | {"X-Request-ID": "case-17"})
    assert_page(answer, status, language, in_frame=status < 500)
    assert ("case-17" in text_of(answer)) == (status >= 500)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_error_page_of_a_failed_database_runs_no_statement(
    language: str, office: Office, root: User, breaking: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = office(root)
    client.raise_request_exception = False
    broken: list[str] = []

    def refuse(self: Any, sql: str, *args: Any) -> Any:
        broken.append(sql)
        raise OperationalError("gone")

    with monkeypatch.context() as patched:
        patched.setattr("django.db.backends.utils.CursorWrapper.execute", refuse)
        answer = client.get(list_url(User), headers=accepting(language))

    assert_page(answer, 503, language, in_frame=False)
    assert len(broken) == 1, "the error page itself ran a statement"


@pytest.mark.django_db(transaction=True)
def test_a_lost_database_is_an_error_page(office: Office, root: User) -> None:
    client = office(root)
    client.raise_request_exception = False
    with lost_database():
        answer = client.get(list_url(LiveStream))
    connection.close()  # later statements need a new one
    assert_page(answer, 503, "en", in_frame=False)


def test_outside_the_admin_errors_stay_in_the_envelope(client: Client, db: None) -> None:
    for address in ("/no/such/address", "/api/v1/no-such", "/administer"):
        answer = client.get(address)
        assert answer.status_code == 404
        assert answer.json()["errors"][0] == "Resource not found"


# --- the login ------------------------------------------------------------------------------------


@pytest.mark.parametrize("query", ["", "?next=", "?next=https://elsewhere.example/", "?next=//elsewhere.example"])
def test_a_login_with_a_foreign_or_empty_next_url_leads_to_the_index(
    query: str, client: Client, moderator: User
) -> None:
    sent = {"username": moderator.username, "password": PASSWORD}
    answer = client.post(f"/admin/login/{query}", sent, follow=True)

    assert answer.redirect_chain == [("/admin/", 302)]
    assert answer.status_code == 200


def test_a_login_leads_to_the_page_that_required_it(client: Client, reader: User) -> None:
    asked = client.get(list_url(User), follow=True)
    address = asked.redirect_chain[-1][0]
    answer = client.post(address, {"username": reader.username, "password": PASSWORD})
    assert answer.headers["Location"] == list_url(User)


@pytest.mark.parametrize("number", ["x", "0", "-1", "99999", ""])
def test_a_wrong_page_number_of_the_search_is_a_bad_request(number: str, office: Office, root: User) -> None:
    client = office(root)
    assert client.get("/admin/search/", {"s": "user"}).status_code == 200
    assert_page(client.get("/admin/search/", {"s": "user", "page": number}), 400, "en")
