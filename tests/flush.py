"""Empties the database after a test that commits.

Django's own flush truncates every table, writes new files for each of them and their indexes, and then makes all
permissions anew: 0.2 s for each test, mostly for tables that the test never touched.
"""

from django.db import connection, transaction

from common.audit_guard import TRIGGER, append_only_models, enable_trigger

# Made by migrations for all tests; none changes them.
KEPT = {"django_content_type", "auth_permission", "django_migrations"}
# Deleting leaves dead rows, which later tests read past. From this size on, truncating is better.
LARGE = 512 * 1024  # bytes


def flush() -> None:
    tables = sorted(set(connection.introspection.django_table_names(only_existing=True, include_views=False)) - KEPT)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            " UNION ALL ".join(
                f"(SELECT '{table}', pg_relation_size('{table}') FROM {table} LIMIT 1)" for table in tables
            )
        )
        sizes: dict[str, int] = dict(cursor.fetchall())
        audited = [model._meta.db_table for model in append_only_models()]
        for table in audited:
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER {TRIGGER}")
        if any(size > LARGE for size in sizes.values()):
            # Foreign keys allow truncating only all tables together, the empty ones too.
            cursor.execute(f"TRUNCATE {', '.join(tables)}")
        else:
            cursor.execute("SET CONSTRAINTS ALL DEFERRED")
            for table in sizes:
                cursor.execute(f"DELETE FROM {table}")
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for table in audited:
            cursor.execute(enable_trigger(table))
