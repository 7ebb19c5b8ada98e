from django.apps import AppConfig


class CommonConfig(AppConfig):
    name = "common"

    def ready(self) -> None:
        # drf-spectacular finds its extensions when their module is imported, and that must be
        # before it reads the first operation.
        from common import schema  # noqa: F401, PLC0415
