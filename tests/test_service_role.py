"""The service with a role that owns no tables: everything works, and the audit trail cannot be altered.

The steps are those of docs/audit-trail.md: the owner migrates and grants, and another role runs the service.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, LiteralString
from urllib.parse import quote

import psycopg
import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone
from psycopg import sql
from psycopg.errors import InsufficientPrivilege

from common.times import wire_time
from tests.forking import manage
from tests.patience import PATIENCE, wait_until
from tests.reminders.processes import QUICK
from tests.servers import Server, running_server

API = "/api/v1"
PASSWORD = "correct horse battery staple"
PEOPLE = """
from django.utils import timezone
from accounts.services import create_user
for name in ("creator", "viewer", "troll"):
    create_user(name, "correct horse battery staple", by=None, now=timezone.now(), name=name)
"""


@dataclass(frozen=True)
class Installation:
    """A separate database whose tables `owner` owns. `service` has the privileges that the service needs."""

    place: dict[str, Any]
    data: Path
    database: str
    owner: str
    service: str

    def connect(self, role: str) -> "psycopg.Connection[tuple[Any, ...]]":
        return psycopg.connect(**self.place | {"user": role, "password": PASSWORD, "dbname": self.database})

    def ask(self, query: LiteralString, *values: Any) -> list[tuple[Any, ...]]:
        with self.connect(self.owner) as asking:
            return asking.execute(query, values).fetchall()

    def environment(self, role: str) -> dict[str, str]:
        host = str(self.place.get("host", "localhost"))
        where = f"/{quote(host)}" if host.startswith("/") else f"{host}:{self.place.get('port', 5432)}"
        return {
            "DATABASE_URL": f"postgresql://{role}:{quote(PASSWORD)}@{where}/{self.database}",
            "KUMANDA_DATA": str(self.data),
            "DELETED_RETENTION_DAYS": "0",
            "IDENTITY_ISSUER": "",
        }

    def run(self, role: str, *words: str, expected: int = 0) -> "subprocess.CompletedProcess[str]":
        finished = subprocess.run(
            manage(*words),
            cwd=settings.BASE_DIR,
            env=os.environ | {"LOG_LEVEL": "INFO"} | self.environment(role),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert finished.returncode == expected, finished.stderr
        return finished

    def doctor(self, role: str) -> dict[str, dict[str, str]]:
        """The findings about the audit trail by code. There are others, because no worker runs."""
        finished = subprocess.run(
            manage("doctor", "--audit", "--json"),
            cwd=settings.BASE_DIR,
            env=os.environ | self.environment(role),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        report = json.loads(finished.stdout)
        assert "audit" in report
        return {found["code"]: found for found in report["findings"] if found["code"].startswith("audit_")}


@contextmanager
def cluster() -> Iterator["psycopg.Connection[tuple[Any, ...]]"]:
    with psycopg.connect(**_place() | {"user": _superuser(), "dbname": "postgres"}, autocommit=True) as administering:
        yield administering


def _place() -> dict[str, Any]:
    found = connection.get_connection_params()
    return {name: found[name] for name in ("host", "port", "password") if name in found}


def _superuser() -> str:
    return str(connection.settings_dict["USER"])


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    mark = f"{os.getpid()}"
    made = Installation(
        _place(), tmp_path_factory.mktemp("data"), f"separate_{mark}", f"owner_{mark}", f"service_{mark}"
    )
    names = {name: sql.Identifier(getattr(made, name)) for name in ("database", "owner", "service")}
    with cluster() as administering:
        for role in ("owner", "service"):
            administering.execute(
                sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(names[role], sql.Literal(PASSWORD))
            )
        administering.execute(sql.SQL("CREATE DATABASE {database} OWNER {owner}").format(**names))
    try:
        made.run(made.owner, "migrate", "--verbosity", "0")
        made.run(made.owner, "grant_service_role", made.service)
        made.run(made.service, "shell", "-c", PEOPLE)
        yield made
    finally:
        with cluster() as administering:
            administering.execute(sql.SQL("DROP DATABASE {database} WITH (FORCE)").format(**names))
            administering.execute(sql.SQL("DROP ROLE {service}, {owner}").format(**names))


@contextmanager
def running_worker(environment: Mapping[str, str]) -> Iterator[None]:
    worker = subprocess.Popen(
        [sys.executable, "manage.py", "worker"], cwd=settings.BASE_DIR, env=os.environ | QUICK | dict(environment)
    )
    try:
        yield
    finally:
        worker.terminate()
        assert worker.wait(timeout=PATIENCE) == 0


def call(server: Server, method: str, path: str, token: str | None = None, body: Any = None) -> Any:
    answer = server.call(method, f"{API}{path}", token=token, body=body)
    assert answer.status in {200, 201, 204}, (path, answer.body)
    return answer.json()["data"] if answer.body else None


# --- the service works -------------------------------------------------------------------------


def test_the_service_and_a_worker_work_with_a_role_that_owns_no_tables(installation: Installation) -> None:
    environment = installation.environment(installation.service)
    with running_server(workers=2, **environment) as server, running_worker(environment):
        tokens, ids = {}, {}
        for name in ("creator", "viewer", "troll"):
            entered = call(server, "POST", "/auth/login", body={"username": name, "password": PASSWORD})
            tokens[name] = entered["accessToken"]
            ids[name] = call(server, "GET", "/users/me", tokens[name])["_id"]
        creator, viewer = tokens["creator"], tokens["viewer"]
        planned = wire_time(timezone.now() + timedelta(hours=1))
        evening = {"title": "Evening talk", "plannedStartDate": planned}
        stream = call(server, "POST", "/live-stream/create", creator, evening)["id"]
        call(server, "POST", f"/live-stream/{stream}/reminder", viewer, {})
        call(server, "POST", f"/live-stream/{stream}/start", creator)
        ban = call(server, "POST", "/live-stream-ban", creator, {"targetUserId": ids["troll"], "liveStreamId": stream})[
            "_id"
        ]
        call(server, "DELETE", f"/live-stream-ban/{ban}", creator)
        wait_until(lambda: installation.ask("SELECT count(*) FROM reminders_notification") == [(1,)])
        call(server, "POST", "/live-stream/join", viewer, {"liveStreamId": stream})
        call(server, "POST", f"/live-stream/{stream}/end", creator)
        call(server, "DELETE", f"/live-stream/{stream}", creator)
        call(server, "POST", "/auth/logout", viewer)

    entries = installation.ask("SELECT count(*) FROM common_auditentry")[0][0]
    purged = json.loads(installation.run(installation.service, "purge", "--json").stdout)
    assert purged["ids"] == [stream]
    actions = [row[0] for row in installation.ask("SELECT action FROM common_auditentry ORDER BY id")]
    assert {"create_user", "create_stream", "start_stream", "ban_user", "lift_ban", "delete_stream"} < set(actions)
    assert len(actions) > entries  # purging added rows to the trail and removed none
    later = "from config.tasks import seal_audit_trail; seal_audit_trail.defer(timestamp=0)"
    installation.run(installation.service, "shell", "-c", later)
    log = installation.run(installation.service, "worker", "--until-idle").stderr
    seals = installation.ask("SELECT number, digest, rows FROM common_auditseal ORDER BY number")
    assert f"audit seal {seals[-1][0]}:{seals[-1][1]} over ids" in log
    # In the first minutes of an hour the worker above has already sealed the previous hour.
    assert sum(rows for _number, _digest, rows in seals) == len(actions)


def test_commands_work_and_doctor_finds_nothing_about_the_role(installation: Installation) -> None:
    installation.run(installation.service, "expire_streams")
    installation.run(installation.service, "rotate_join_key")
    installation.run(installation.service, "dispatch_reminders")
    installation.run(installation.service, "worker", "--until-idle")
    assert installation.doctor(installation.service) == {}


def test_the_role_of_the_service_adds_and_removes_months(installation: Installation) -> None:
    with installation.connect(installation.service) as service:
        assert service.execute("SELECT add_month_partitions('common_auditentry', 4)").fetchall() == [(1,)]
        assert service.execute("SELECT add_month_partitions('reminders_notification', 4)").fetchall() == [(1,)]
        service.execute("SELECT begin_month_of_audit_trail()")
        ends = "SELECT end_month FROM month_partitions('reminders_notification') LIMIT 1"
        ((end,),) = service.execute(ends).fetchall()
        assert service.execute("SELECT remove_deletable_months('reminders_notification', %s)", [end]).fetchall() == [
            (1,)
        ]
        service.rollback()
    assert installation.doctor(installation.service) == {}


def test_doctor_warns_of_a_service_that_owns_the_trail(installation: Installation) -> None:
    found = installation.doctor(installation.owner)
    assert list(found) == ["audit_trail_owned_by_service"]
    finding = found["audit_trail_owned_by_service"]
    assert finding["severity"] == "warning"
    for power in ("owns the database", "owns common_auditentry", "owns common_auditseal"):
        assert power in finding["meaning"]


# --- the trail cannot be altered -------------------------------------------------------------------

FORBIDDEN: list[LiteralString] = [
    *(
        statement
        for table in ("common_auditentry", "common_auditseal")
        for statement in (
            f"UPDATE {table} SET digest = 'x'" if table == "common_auditseal" else f"UPDATE {table} SET reason = 'x'",
            f"DELETE FROM {table}",
            f"TRUNCATE {table}",
            f"SELECT FROM {table} FOR UPDATE",
            f"ALTER TABLE {table} DISABLE TRIGGER ALL",
            f"ALTER TABLE {table} DISABLE TRIGGER audit_trail_only_grows",
            f"ALTER TABLE {table} OWNER TO CURRENT_USER",
            f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
            f"DROP TRIGGER audit_trail_only_grows ON {table}",
            f"DROP TABLE {table}",
            f"CREATE RULE quiet AS ON INSERT TO {table} DO INSTEAD NOTHING",
            f"CREATE TABLE forged () INHERITS ({table})",
            f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE",
        )
    ),
    "CREATE OR REPLACE FUNCTION refuse_change_of_audit_trail() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN END'",
    "DROP FUNCTION refuse_change_of_audit_trail() CASCADE",
    "CREATE TRIGGER second BEFORE INSERT ON common_auditentry EXECUTE FUNCTION refuse_change_of_audit_trail()",
    "SELECT setval('common_auditentry_id_seq', 1)",
    "ALTER SEQUENCE common_auditentry_id_seq RESTART",
    *(
        statement
        for table in ("common_auditentry_earlier", "common_auditentry_later")
        for statement in (
            f"INSERT INTO {table} SELECT * FROM {table}",
            f"UPDATE {table} SET reason = 'x'",
            f"DELETE FROM {table}",
            f"TRUNCATE {table}",
            f"ALTER TABLE common_auditentry DETACH PARTITION {table}",
            f"DROP TABLE {table}",
        )
    ),
    "SELECT remove_deletable_months('common_auditentry', 9999)",
    "SELECT remove_month_partitions('common_auditentry', 9999)",
    "SELECT remove_month_partitions('reminders_notification', 9999)",
    "DELETE FROM common_auditarchive",
    "DELETE FROM django_migrations",
    "INSERT INTO django_migrations (app, name, applied) VALUES ('common', '9999_forged', now())",
    "SET session_replication_role = replica",
    "CREATE TABLE mine (id int)",
    "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "ALTER TABLE accounts_user ADD mine int",
    "TRUNCATE accounts_user CASCADE",
    "DROP SCHEMA public CASCADE",
    "CREATE ROLE accomplice SUPERUSER",
    "ALTER ROLE CURRENT_USER SUPERUSER",
    "COPY common_auditentry TO PROGRAM 'cat'",
]


@pytest.mark.parametrize("statement", FORBIDDEN)
def test_the_role_of_the_service_may_not(statement: LiteralString, installation: Installation) -> None:
    with installation.connect(installation.service) as attacking, pytest.raises(InsufficientPrivilege):
        attacking.execute(statement)


def test_the_role_of_the_service_cannot_become_the_owner(installation: Installation) -> None:
    with installation.connect(installation.service) as attacking, pytest.raises(InsufficientPrivilege):
        attacking.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(installation.owner)))


def test_the_role_of_the_service_cannot_grant_itself_more(installation: Installation) -> None:
    with installation.connect(installation.service) as attacking:
        attacking.execute("GRANT ALL ON common_auditentry TO CURRENT_USER")  # PostgreSQL warns and grants nothing
        with pytest.raises(InsufficientPrivilege):
            attacking.execute("DELETE FROM common_auditentry")


# --- granting -------------------------------------------------------------------------------------

PRIVILEGES = """
    SELECT c.relname, c.relkind::text, granted.privilege_type FROM pg_class c, aclexplode(c.relacl) granted
    WHERE granted.grantee = %s::regrole AND c.relnamespace = 'public'::regnamespace ORDER BY 1, 2, 3
"""


def test_granting_again_changes_nothing_and_revokes_additional_privileges(installation: Installation) -> None:
    before = installation.ask(PRIVILEGES, installation.service)
    by_table: dict[str, list[str]] = {}
    for table, _, privilege in before:
        by_table.setdefault(table, []).append(privilege)
    assert by_table["common_auditentry"] == by_table["common_auditseal"] == ["INSERT", "SELECT"]
    assert by_table["django_migrations"] == ["SELECT"]
    assert by_table["accounts_user"] == ["DELETE", "INSERT", "SELECT", "UPDATE"]
    with installation.connect(installation.owner) as owner:
        for excess in ("ALL ON TABLE common_auditentry, accounts_user", "UPDATE (reason) ON common_auditentry"):
            owner.execute(sql.SQL("GRANT {} TO {}").format(sql.SQL(excess), sql.Identifier(installation.service)))
    excessive = installation.doctor(installation.service)["audit_trail_owned_by_service"]["meaning"]
    assert "has UPDATE, DELETE, TRUNCATE or TRIGGER on common_auditentry" in excessive

    dry = json.loads(
        installation.run(installation.owner, "grant_service_role", installation.service, "--dry-run", "--json").stdout
    )
    assert installation.ask(PRIVILEGES, installation.service) != before
    for _ in range(2):
        installation.run(installation.owner, "grant_service_role", installation.service)
        assert installation.ask(PRIVILEGES, installation.service) == before
        assert installation.doctor(installation.service) == {}
    assert len(dry["statements"]) > 5


def test_tables_of_later_migrations_are_granted_as_well(installation: Installation) -> None:
    with installation.connect(installation.owner) as owner:
        owner.execute("CREATE TABLE later (id bigint GENERATED BY DEFAULT AS IDENTITY, text text)")
        owner.commit()
        with installation.connect(installation.service) as service:
            service.execute("INSERT INTO later (text) VALUES ('a')")
            service.execute("UPDATE later SET text = 'b'")
            service.execute("DELETE FROM later")
        owner.execute("DROP TABLE later")


def test_a_role_that_privileges_do_not_restrict_is_refused(installation: Installation) -> None:
    def refusal(granter: str, role: str) -> str:
        return installation.run(granter, "grant_service_role", role, expected=2).stderr

    owner, service = installation.owner, installation.service
    assert "There is no role nobody_there. Create it" in refusal(owner, "nobody_there")
    assert f"The tables belong to {owner}" in refusal(service, service)
    assert f"The role {owner} owns the tables" in refusal(owner, owner)
    assert "is a superuser or may create roles" in refusal(owner, _superuser())
    names = {"owner": sql.Identifier(owner), "service": sql.Identifier(service)}
    with cluster() as administering:
        administering.execute(sql.SQL("GRANT {owner} TO {service}").format(**names))
        try:
            assert f"a member of their owner {owner}" in refusal(owner, service)
            assert "owns common_auditentry" in installation.doctor(service)["audit_trail_owned_by_service"]["meaning"]
        finally:
            administering.execute(sql.SQL("REVOKE {owner} FROM {service}").format(**names))
