from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("bans", "0006_review_claims")]

    operations = [
        migrations.AlterModelOptions(
            name="livestreamban",
            options={
                "default_permissions": ("view", "change"),
                "permissions": [
                    ("moderate", "Can ban on every stream and review bans"),
                    ("overrule", "Can overrule verdicts and take them back"),
                    ("view_team_figures", "Can see how many bans each moderator reviews"),
                ],
                "verbose_name": "ban",
                "verbose_name_plural": "bans",
            },
        ),
        migrations.AddField(
            model_name="livestreamban",
            name="verdict_message",
            field=models.CharField(
                blank=True,
                editable=False,
                max_length=500,
                null=True,
                verbose_name="message to the banned person",
            ),
        ),
    ]
