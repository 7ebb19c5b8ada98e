from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class CommonConfig(AppConfig):
    name = "common"
    verbose_name = _("records")

    def ready(self) -> None:
        from common import hooks, personal_data  # noqa: F401, PLC0415 - register the system check, and a hook for it
        from common.metrics import pools  # noqa: F401, PLC0415 - counts what happens in pools of connections
        from common.storage import sources  # noqa: F401, PLC0415 - declares its hook to the system check

        post_migrate.connect(add_months, sender=self)


def add_months(**_: Any) -> None:
    from common import partitions  # noqa: PLC0415 - needs the models of the apps

    if partitions.are_set_up():
        partitions.add_months()
        partitions.begin_month_of_audit_trail()
