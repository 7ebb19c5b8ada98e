from django.apps import AppConfig


class EdgesConfig(AppConfig):
    name = "edges"

    def ready(self) -> None:
        from edges import hooks  # noqa: F401, PLC0415 - needs the models; declares the hooks to the system check
