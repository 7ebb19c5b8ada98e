"""Kumanda's tables without the API that comes up with them."""

from django.apps import AppConfig


class CommonTables(AppConfig):
    name = "common"
