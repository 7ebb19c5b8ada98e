"""GET /healthz and /readyz"""

import pytest
from django.db import connection
from django.test import Client

from tests.conftest import Api, make_user
from tests.envelope import assert_refused, data_of
from tests.servers import lost_database

PLACES = ["/healthz", "/readyz"]


@pytest.mark.parametrize("place", PLACES)
def test_both_say_that_all_is_well(place: str, client: Client, db: None) -> None:
    assert data_of(client.get(place))["status"] in {"alive", "ready"}
    assert client.head(place).status_code == 200


@pytest.mark.parametrize("place", PLACES)
def test_they_are_only_read(place: str, client: Client, db: None) -> None:
    response = client.post(place)

    assert_refused(response, 405, "method_not_allowed")
    assert response.headers["Allow"] == "GET, HEAD"


@pytest.mark.django_db(transaction=True)
def test_a_lost_database_makes_it_unready_and_not_dead_until_it_is_back(client: Client) -> None:
    with lost_database():
        assert_refused(client.get("/readyz"), 503, "service_unavailable", "the database does not answer")
        assert data_of(client.get("/healthz")) == {"status": "alive"}

    assert data_of(client.get("/readyz")) == {"status": "ready"}


@pytest.mark.django_db(transaction=True)
def test_a_restarted_database_costs_no_call(api: Api) -> None:
    """Every connection is dead then, and none of its threads has noticed."""
    caller = api(make_user("creator"))
    data_of(caller.get("/api/v1/users/me"))
    with lost_database():
        pass

    data_of(caller.get("/api/v1/users/me"))


@pytest.mark.django_db(transaction=True)
def test_a_missing_migration_makes_it_unready(client: Client) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'sessions' RETURNING name, applied")
        name, applied = cursor.fetchone()
    try:
        reason = "1 migrations are not applied; run manage.py migrate"
        assert_refused(client.get("/readyz"), 503, "service_unavailable", reason)
    finally:
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO django_migrations (app, name, applied) VALUES ('sessions', %s, %s)", [name, applied]
            )
