from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class BansConfig(AppConfig):
    name = "bans"
    verbose_name = _("bans")

    def ready(self) -> None:
        from bans import hooks  # noqa: F401, PLC0415 - needs the models; declares the hooks to the system check
