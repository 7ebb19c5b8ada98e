"""Serve the API, the playground and the admin."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from config.server import port_number, serve


class Command(BaseCommand):
    help = (
        "Serve the API, the playground and the admin with the production server, until Ctrl-C or SIGTERM. "
        "A second one stops at once. SIGHUP reloads code and settings."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
        parser.add_argument("--port", type=port_number, default=8000, help="port to listen on (default: %(default)s)")
        parser.add_argument("--workers", type=int, help="number of processes (default: one a core)")

    def handle(self, *args: Any, **options: Any) -> None:
        self.stderr.write(f"Serving on http://{options['host']}:{options['port']}")
        serve(options["host"], options["port"], workers=options["workers"])
