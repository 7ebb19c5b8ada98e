"""App configurations with Kumanda's models and without its API."""

from django.apps import AppConfig


class CommonTables(AppConfig):
    name = "common"
