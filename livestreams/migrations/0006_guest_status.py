"""The guest's answer. Guests that are there already were shown in public, so they count as accepted.

Nothing locks the table for longer than a moment: the column comes empty, rows are filled in batches, the constraint is
added unvalidated and validated afterwards, and the index is built concurrently. The migration can be run again after
an interruption in any batch.
"""

from typing import Any

from django.contrib.postgres.operations import AddConstraintNotValid, AddIndexConcurrently, ValidateConstraint
from django.db import migrations, models

BATCH = 5_000

# In the order of the primary key, so that each row is looked at once.
FILL = """
    WITH batch AS (
        SELECT id FROM livestreams_livestream WHERE id > %s ORDER BY id LIMIT %s
    ), filled AS (
        UPDATE livestreams_livestream SET guest_status = 'accepted'
        WHERE id IN (SELECT id FROM batch) AND guest_id IS NOT NULL AND guest_status IS NULL
    )
    SELECT id FROM batch ORDER BY id DESC LIMIT 1
"""


def accept_all(apps: Any, schema_editor: Any) -> None:
    """Each batch is a transaction of its own, since the migration is not atomic."""
    last = (b"",)
    while last is not None:
        with schema_editor.connection.cursor() as cursor:
            cursor.execute(FILL, [last[0], BATCH])
            last = cursor.fetchone()


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("livestreams", "0005_fold_titles"),
    ]

    operations = [
        migrations.AddField(
            model_name="livestream",
            name="guest_status",
            field=models.CharField(
                choices=[("invited", "invited"), ("accepted", "accepted"), ("declined", "declined")],
                editable=False,
                max_length=10,
                null=True,
                verbose_name="answer of the guest",
            ),
        ),
        migrations.RunPython(accept_all, migrations.RunPython.noop),
        AddConstraintNotValid(
            model_name="livestream",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("guest__isnull", True), ("guest_status__isnull", True)),
                    models.Q(
                        ("guest__isnull", False),
                        ("guest_status__in", ["invited", "accepted", "declined"]),
                        ("guest_status__isnull", False),
                    ),
                    _connector="OR",
                ),
                name="stream_guest_status_fits_guest",
            ),
        ),
        # What was created while the first pass ran; from here on the constraint keeps such rows out.
        migrations.RunPython(accept_all, migrations.RunPython.noop),
        ValidateConstraint(model_name="livestream", name="stream_guest_status_fits_guest"),
        AddIndexConcurrently(
            model_name="livestream",
            index=models.Index(
                condition=models.Q(("deleted_at", None), ("guest_status", "accepted")),
                fields=["guest", "-created_at", "-id"],
                name="stream_by_accepted_guest",
            ),
        ),
    ]
