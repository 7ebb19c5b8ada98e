"""Empties the database after a test that commits.

Django's own flush truncates every table, writes new files for each of them and their indexes, and then creates all
permissions again: 0.2 s for each test, mostly for tables that the test did not change.
"""

from django.db import connection, transaction

from common.audit_guard import TRIGGER, append_only_tables, enable_trigger

# Filled by migrations and not changed by tests.
KEPT = {"django_content_type", "auth_permission", "django_migrations", "auth_group", "auth_group_permissions"}
# The groups that migrations create. Groups of tests are removed.
KEPT_GROUPS = ["Moderators", "Senior moderators", "Ops", "Service accounts"]
# Procrastinate's models are not managed by Django, so Django does not list their tables.
JOBS = ["procrastinate_jobs", "procrastinate_events", "procrastinate_periodic_defers", "procrastinate_workers"]
# Deleting leaves dead rows, which slow later tests. From this size on, truncating is faster.
LARGE = 512 * 1024  # bytes
# Of a table with its partitions.
SIZE = "coalesce((SELECT sum(pg_relation_size(relid)) FROM pg_partition_tree('{0}')), pg_relation_size('{0}'))::bigint"


def flush() -> None:
    tables = sorted(set(connection.introspection.django_table_names(only_existing=True, include_views=False)) - KEPT)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            " UNION ALL ".join(f"(SELECT '{table}', {SIZE.format(table)} FROM {table} LIMIT 1)" for table in tables)
        )
        sizes: dict[str, int] = dict(cursor.fetchall())
        audited = append_only_tables()
        for table in audited:
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER {TRIGGER}")
        if any(size > LARGE for size in sizes.values()):
            # Foreign keys require that all tables are truncated together, including empty ones.
            cursor.execute(f"TRUNCATE {', '.join(tables)}")
        else:
            cursor.execute("SET CONSTRAINTS ALL DEFERRED")
            for table in sizes:
                cursor.execute(f"DELETE FROM {table}")
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(" UNION ALL ".join(f"(SELECT 1 FROM {table} LIMIT 1)" for table in JOBS))
        if cursor.rowcount:
            cursor.execute(f"TRUNCATE {', '.join(JOBS)}")
        of_tests = "SELECT id FROM auth_group WHERE NOT name = ANY(%s)"
        cursor.execute(f"DELETE FROM auth_group_permissions WHERE group_id IN ({of_tests})", [KEPT_GROUPS])
        cursor.execute("DELETE FROM auth_group WHERE NOT name = ANY(%s)", [KEPT_GROUPS])
        for table in audited:
            cursor.execute(enable_trigger(table))
