"""Serve the API, the playground and the admin."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from config.server import serve


class Command(BaseCommand):
    help = "Serve the API, the playground and the admin with the production server, until Ctrl-C or SIGTERM."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
        parser.add_argument("--port", type=int, default=8000, help="port to listen on (default: %(default)s)")
        parser.add_argument("--workers", type=int, help="number of processes (default: one a core)")

    def handle(self, *args: Any, **options: Any) -> None:
        serve(options["host"], options["port"], workers=options["workers"])
