"""Partition the notifications by month. It locks the table for a moment, and each step can be repeated."""

from django.db import migrations

from common.partitioning import Conversion

NOTIFICATIONS = Conversion(
    "reminders_notification",
    key="created_at",
    renamed_indexes=["notification_by_user", "notification_unread"],
    renamed_constraints=["reminders_notification_pkey", "notification_once"],
    # The primary key and the unique constraint do not contain the key of the partitions, so each partition has its own.
    after=[
        "CREATE INDEX notification_by_user ON reminders_notification (user_id, created_at DESC, id DESC)",
        "CREATE INDEX notification_unread ON reminders_notification (user_id, created_at DESC, id DESC) WHERE read_at IS NULL",
    ],
)


class Migration(migrations.Migration):
    # A constraint is not validated in the transaction that locks the table.
    atomic = False
    dependencies = [("reminders", "0004_unread_notifications"), ("common", "0004_audit_trail_by_month")]

    operations = [
        migrations.RunPython(lambda apps, schema_editor: NOTIFICATIONS.bound()),
        migrations.RunPython(lambda apps, schema_editor: NOTIFICATIONS.replace()),
        migrations.SeparateDatabaseAndState(
            state_operations=[migrations.RemoveConstraint("Notification", "notification_once")]
        ),
    ]
