import django.db.models.deletion
from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models

from common.fields import StoredColumn
from common.queries import Hour


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("edges", "0002_list_index"), ("livestreams", "0002_list_indexes")]

    operations = [
        migrations.CreateModel(
            name="ViewerCount",
            fields=[
                (
                    "stream",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to="livestreams.livestream",
                    ),
                ),
                ("viewers", models.PositiveIntegerField()),
                ("counted_at", models.DateTimeField()),
            ],
            options={"default_permissions": ()},
        ),
        migrations.AddField(
            model_name="participant",
            name="last_seen_hour",
            field=StoredColumn(db_persist=True, expression=Hour("last_seen_at"), output_field=models.DateTimeField()),
        ),
        RemoveIndexConcurrently(model_name="participant", name="participant_seen"),
        AddIndexConcurrently(
            model_name="participant",
            index=models.Index(fields=["stream", "last_seen_hour"], name="participant_seen"),
        ),
        # Room in each page for the next version of its rows, which a HOT update needs.
        migrations.RunSQL(
            "ALTER TABLE edges_participant SET (fillfactor = 85)", "ALTER TABLE edges_participant RESET (fillfactor)"
        ),
    ]
