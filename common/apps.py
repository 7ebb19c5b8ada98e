from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class CommonConfig(AppConfig):
    name = "common"
    verbose_name = _("records")

    def ready(self) -> None:
        # drf-spectacular finds its extensions when their module is imported, and that must be
        # before it reads the first operation.
        from common import hooks, schema  # noqa: F401, PLC0415 - hooks registers its system check
