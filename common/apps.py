from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class CommonConfig(AppConfig):
    name = "common"
    verbose_name = _("records")

    def ready(self) -> None:
        from common import hooks  # noqa: F401, PLC0415 - registers its system check
