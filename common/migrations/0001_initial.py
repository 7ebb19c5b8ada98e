from django.db import migrations, models

import common.fields

# What a person with the application's own database account must not be able to do by mistake or in haste.
APPEND_ONLY = """
    CREATE FUNCTION refuse_change_of_audit_trail() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'the audit trail only grows: % on % is refused', TG_OP, TG_TABLE_NAME
            USING ERRCODE = 'restrict_violation';
    END
    $$;
    CREATE TRIGGER audit_trail_only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON common_auditentry
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_audit_trail();
"""
CHANGEABLE = """
    DROP TRIGGER audit_trail_only_grows ON common_auditentry;
    DROP FUNCTION refuse_change_of_audit_trail();
"""


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="AuditEntry",
            fields=[
                (
                    "id",
                    models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
                ),
                ("at", models.DateTimeField()),
                (
                    "door",
                    models.CharField(
                        choices=[
                            ("api", "api"),
                            ("admin", "admin"),
                            ("command", "command"),
                            ("task", "task"),
                        ],
                        max_length=10,
                    ),
                ),
                ("actor_id", common.fields.ObjectIdField(null=True)),
                ("actor_name", models.CharField(max_length=150)),
                ("action", models.CharField(max_length=50)),
                ("target_type", models.CharField(max_length=50)),
                ("target_id", common.fields.ObjectIdField()),
                ("before", models.JSONField()),
                ("after", models.JSONField()),
                ("reason", models.TextField(blank=True)),
                ("request_id", models.CharField(blank=True, max_length=64)),
            ],
            options={
                "verbose_name": "audit entry",
                "verbose_name_plural": "audit trail",
                "default_permissions": ("view",),
                "indexes": [
                    models.Index(fields=["target_id", "id"], name="audit_by_target"),
                    models.Index(fields=["actor_id", "id"], name="audit_by_actor"),
                ],
            },
        ),
        migrations.RunSQL(APPEND_ONLY, CHANGEABLE),
    ]
