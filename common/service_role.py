"""Privileges of the database role that the service connects with, when another role owns the tables."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.db import connection

from common.audit_guard import append_only_models, append_only_tables

# Readiness depends on the recorded migrations, so only the owner may change them.
READ_ONLY = frozenset(["django_migrations"])


class UnfitRole(Exception):
    """The role cannot be restricted by grants; the message has the reason."""


# --- granting -------------------------------------------------------------------------------------

_ROLE = """
    SELECT r.rolsuper AS is_superuser, r.rolcreaterole AS creates_roles,
        pg_has_role(r.oid, owner.oid, 'MEMBER') AS is_owner,
        pg_has_role(current_user, owner.oid, 'MEMBER') AS granter_is_owner,
        owner.rolname AS owner, current_schema() AS schema, current_database() AS database
    FROM (SELECT relowner FROM pg_class WHERE oid = to_regclass(%s)) AS t
    JOIN pg_roles owner ON owner.oid = t.relowner
    LEFT JOIN pg_roles r ON r.rolname = %s
"""
_RELATIONS = """
    SELECT relname, relkind = 'S' FROM pg_class
    WHERE relnamespace = current_schema()::regnamespace AND relowner = %s::regrole AND relkind IN ('r', 'p', 'v', 'S')
    ORDER BY relname
"""
_PARTITIONS = """
    SELECT relname FROM pg_class
    WHERE relnamespace = current_schema()::regnamespace AND relispartition AND relkind = 'r'
"""
_FUNCTIONS = """
    SELECT oid::regprocedure::text FROM pg_proc
    WHERE pronamespace = current_schema()::regnamespace AND proowner = %s::regrole AND prokind = 'f'
        AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = pg_proc.oid AND d.deptype = 'e')
    ORDER BY 1
"""


def grants(role: str) -> list[str]:
    """The statements, in order, that grant `role` what the service needs and revoke all else. Idempotent.

    Raises UnfitRole.
    """
    facts = _facts(role)
    quote = connection.ops.quote_name
    grantee, schema, owner = quote(role), quote(facts["schema"]), quote(facts["owner"])
    with connection.cursor() as cursor:
        cursor.execute(_RELATIONS, [owner])
        relations = cursor.fetchall()
        cursor.execute(_FUNCTIONS, [owner])
        functions = [row[0] for row in cursor.fetchall()]
    append_only = set(append_only_tables())
    with connection.cursor() as cursor:
        cursor.execute(_PARTITIONS)
        partitions = {row[0] for row in cursor.fetchall()}

    def named(names: set[str]) -> str:
        return ", ".join(f"{schema}.{quote(name)}" for name in sorted(names))

    sequences = {name for name, is_sequence in relations if is_sequence}
    tables = {name for name, is_sequence in relations if not is_sequence}
    defaults = f"ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA {schema} GRANT"
    return [
        f"GRANT CONNECT ON DATABASE {quote(facts['database'])} TO {grantee}",
        f"REVOKE CREATE ON SCHEMA {schema} FROM {grantee}",
        f"GRANT USAGE ON SCHEMA {schema} TO {grantee}",
        f"REVOKE ALL ON TABLE {named(tables)} FROM {grantee}",
        f"GRANT SELECT ON TABLE {named(tables)} TO {grantee}",
        f"GRANT INSERT ON TABLE {named(tables - READ_ONLY - partitions)} TO {grantee}",
        f"GRANT UPDATE, DELETE ON TABLE {named(tables - READ_ONLY - partitions - append_only)} TO {grantee}",
        f"REVOKE ALL ON SEQUENCE {named(sequences)} FROM {grantee}",
        f"GRANT USAGE, SELECT ON SEQUENCE {named(sequences)} TO {grantee}",
        f"GRANT EXECUTE ON FUNCTION {', '.join(functions)} TO {grantee}",
        # For tables of later migrations. After one that creates an append-only table, run the command again.
        f"{defaults} SELECT, INSERT, UPDATE, DELETE ON TABLES TO {grantee}",
        f"{defaults} USAGE, SELECT ON SEQUENCES TO {grantee}",
        f"{defaults} EXECUTE ON FUNCTIONS TO {grantee}",
    ]


def _facts(role: str) -> dict[str, Any]:
    with connection.cursor() as cursor:
        cursor.execute(_ROLE, [_audit_table(), role])
        row = cursor.fetchone()
        if row is None:
            raise UnfitRole("The database has no audit trail yet. Run migrate as the owner first.")
        facts = dict(zip([column.name for column in cursor.description], row, strict=True))
    if facts["is_superuser"] is None:
        raise UnfitRole(f"There is no role {role}. Create it: CREATE ROLE {connection.ops.quote_name(role)} LOGIN")
    if not facts["granter_is_owner"]:
        raise UnfitRole(f"The tables belong to {facts['owner']}: let DATABASE_URL name that role for this command.")
    if facts["is_superuser"] or facts["creates_roles"]:
        raise UnfitRole(f"The role {role} is a superuser or may create roles, so grants do not limit it.")
    if facts["is_owner"]:
        raise UnfitRole(f"The role {role} owns the tables, or is a member of their owner {facts['owner']}.")
    return facts


def _audit_table() -> str:
    return append_only_models()[0]._meta.db_table


# --- examining ------------------------------------------------------------------------------------

_POWERS = """
    SELECT me.rolsuper, me.rolcreaterole AND current_setting('server_version_num')::int < 160000,
        pg_has_role(d.datdba, 'MEMBER')
    FROM pg_roles me, pg_database d
    WHERE me.rolname = current_user AND d.datname = current_database()
"""
_POWERS_OVER_TABLE = """
    SELECT pg_has_role(c.relowner, 'MEMBER'), pg_has_role(n.nspowner, 'MEMBER'),
        has_table_privilege(c.oid, 'UPDATE, DELETE, TRUNCATE, TRIGGER') OR has_any_column_privilege(c.oid, 'UPDATE')
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.oid = to_regclass(%s)
"""


def powers() -> Iterator[str]:
    """The privileges with which the role of this connection could change append-only tables."""
    with connection.cursor() as cursor:
        cursor.execute(_POWERS)
        is_superuser, creates_roles, owns_database = cursor.fetchone()
        if is_superuser:
            yield "is a superuser"
            return
        if creates_roles:
            yield "can make itself a member of any role (CREATEROLE before PostgreSQL 16)"
        if owns_database:
            yield "owns the database"
        for table in append_only_tables():
            cursor.execute(_POWERS_OVER_TABLE, [table])
            owns_table, owns_schema, may_change = cursor.fetchone()
            if owns_table:
                yield f"owns {table}"
            elif owns_schema:
                yield f"owns the schema of {table}"
            elif may_change:
                yield f"has UPDATE, DELETE, TRUNCATE or TRIGGER on {table}"


def is_private_server() -> bool:
    """Whether the database is the embedded server, possibly through DATABASE_URL. Its only role is a superuser."""
    if connection.settings_dict.get("EMBEDDED_DATA_DIR"):
        return True
    with connection.cursor() as cursor:
        # Only superusers and members of pg_read_all_settings may read data_directory.
        cursor.execute(
            "SELECT current_setting('data_directory')"
            " WHERE pg_has_role('pg_read_all_settings', 'MEMBER') AND inet_server_addr() IS NULL"
        )
        row = cursor.fetchone()
    # The lock file of the processes that use it is in the same folder as the cluster: common/postgres/embedded.py.
    return row is not None and (Path(row[0]).parent / "postgres.users").is_file()
