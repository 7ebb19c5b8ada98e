from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("common", "0002_entry_point"), ("procrastinate", "0041_post_retry_failed_job")]

    operations = [
        # Finished jobs keep the old name.
        migrations.RunSQL(
            "UPDATE procrastinate_jobs SET queue_name = 'notifying' WHERE queue_name = 'telling' AND status = 'todo'",
            "UPDATE procrastinate_jobs SET queue_name = 'telling' WHERE queue_name = 'notifying' AND status = 'todo'",
        )
    ]
