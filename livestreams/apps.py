from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class LivestreamsConfig(AppConfig):
    name = "livestreams"
    verbose_name = _("streams")

    def ready(self) -> None:
        from livestreams import hooks  # noqa: F401, PLC0415 - needs the models; declares the hooks to the system check
