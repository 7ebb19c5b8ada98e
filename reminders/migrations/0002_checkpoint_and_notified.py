from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("reminders", "0001_initial")]

    operations = [
        migrations.RenameModel("Lookout", "Checkpoint"),
        migrations.RunSQL(
            "ALTER TABLE reminders_checkpoint RENAME CONSTRAINT lookout_is_one TO checkpoint_is_one",
            "ALTER TABLE reminders_checkpoint RENAME CONSTRAINT checkpoint_is_one TO lookout_is_one",
            state_operations=[
                migrations.RemoveConstraint("Checkpoint", "lookout_is_one"),
                migrations.AddConstraint(
                    "Checkpoint", models.CheckConstraint(condition=Q(id=1), name="checkpoint_is_one")
                ),
            ],
        ),
        migrations.RenameField("Chunk", "told", "notified"),
        migrations.AlterField(
            "Chunk",
            "notified",
            models.PositiveIntegerField(default=0, help_text="people", verbose_name="notified"),
        ),
        migrations.AlterField(
            "Chunk",
            "state",
            models.CharField(
                choices=[("waiting", "waiting"), ("notified", "notified"), ("void", "void"), ("missed", "missed")],
                default="waiting",
                max_length=10,
                verbose_name="state",
            ),
        ),
        # One row for about a thousand notifications, so this is a small table.
        migrations.RunSQL(
            "UPDATE reminders_chunk SET state = 'notified' WHERE state = 'told'",
            "UPDATE reminders_chunk SET state = 'told' WHERE state = 'notified'",
        ),
    ]
