from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("common", "0007_audit_trail_filters")]

    operations = [
        migrations.CreateModel(
            name="StoragePlace",
            fields=[
                ("host", models.CharField(max_length=255, primary_key=True, serialize=False)),
                ("place", models.CharField(max_length=400)),
                ("seen_at", models.DateTimeField()),
            ],
            options={"default_permissions": ()},
        ),
    ]
