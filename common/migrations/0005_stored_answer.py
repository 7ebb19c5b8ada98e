from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("common", "0004_audit_trail_by_month")]

    operations = [
        migrations.CreateModel(
            name="StoredAnswer",
            fields=[
                ("key", models.UUIDField(primary_key=True, serialize=False)),
                ("fingerprint", models.BinaryField()),
                ("answer", models.BinaryField()),
                ("expires_at", models.DateTimeField()),
            ],
            options={
                "default_permissions": (),
                "indexes": [models.Index(fields=["expires_at"], name="stored_answer_by_expiry")],
            },
        ),
    ]
