from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("reminders", "0005_notifications_by_month"),
    ]

    operations = [
        migrations.AddField(
            model_name="notification",
            name="details",
            field=models.JSONField(null=True),
        ),
        migrations.AlterField(
            model_name="notification",
            name="kind",
            field=models.CharField(
                choices=[
                    ("reminder", "before the start"),
                    ("live", "at the start"),
                    ("cancelled", "cancelled"),
                    ("appeal_decided", "appeal decided"),
                    ("ban_reviewed", "ban reviewed"),
                    ("verdict_withdrawn", "decision taken back"),
                ],
                max_length=20,
            ),
        ),
    ]
