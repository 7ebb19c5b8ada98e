"""Run the demo: database, demo data, server and worker."""

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from io import StringIO
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import OperationalError

from config import demo
from config.server import port_number, refuse_taken_port, serve
from config.world import ACCOUNTS, PEOPLE, Account, table_of

BANNER = """
Kumanda is running. Ctrl-C stops it.

  Playground  {url}/api/docs/
  API         {url}/api/v1/
  Admin       {url}/admin/

{accounts}

Try it:

{curls}"""

# One line each, so that they can be copied.
CURLS = """\
  TOKEN=$(curl -s {url}/api/v1/auth/login -H 'Content-Type: application/json' \
-d '{{"username": "{username}", "password": "{password}"}}' \
| python3 -c 'import json, sys; print(json.load(sys.stdin)["data"]["accessToken"])')
  curl -s {url}/api/v1/live-stream/create -H "Authorization: Bearer $TOKEN" \
-H 'Content-Type: application/json' -d '{{"title": "Merhaba dünya"}}'
  curl -s '{url}/api/v1/live-stream?status=active&limit=3' -H "Authorization: Bearer $TOKEN"
"""


class Command(BaseCommand):
    help = "Migrate, fill an empty database with demo data, print the accounts, and serve until Ctrl-C."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=port_number, default=8000, help="port on 127.0.0.1 (default: %(default)s)")
        parser.add_argument(
            "--data",
            type=Path,
            metavar="DIR",
            help="folder of the database and the pictures (default: .data)",
        )
        parser.add_argument("--json", action="store_true", help="print one line of JSON when ready, instead of text")
        demo.add_flag(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        url = f"http://localhost:{options['port']}"
        refuse_taken_port("127.0.0.1", options["port"])
        try:
            demo.refuse_wrong_database(is_external_wanted=options["external_database"])
        except OperationalError as error:
            raise CommandError(f"The database does not answer: {error}") from error
        self._in_place(url, options["data"])
        demo.refuse_other_version()
        call_command("migrate", verbosity=0)
        accounts = self._seed(options)
        # For the server, which is a separate program.
        os.environ["PLAYGROUND_ACCOUNTS"] = json.dumps([asdict(account) for account in accounts])
        announcement = self._line(url, accounts) if options["json"] else self._prose(url, accounts)

        def announce() -> None:
            self.stdout.write(announcement)
            self.stdout.flush()

        serve("127.0.0.1", options["port"], beside=["worker"], when_ready=announce, reloads=False)

    def _seed(self, options: dict[str, Any]) -> list[Account]:
        """The accounts of the new demo data, or the default accounts if there is demo data already."""
        said = StringIO()
        call_command("seed_demo", json=True, external_database=options["external_database"], stdout=said)
        facts = json.loads(said.getvalue())
        if not facts["seeded"]:
            return ACCOUNTS
        self.stderr.write(f"{len(PEOPLE)} people and their streams were made.")
        return [Account(**account) for account in facts["accounts"]]

    def _in_place(self, url: str, data: Path | None) -> None:
        """Restart this process with the right environment, because settings are read only at the start."""
        wanted = {"PUBLIC_URL": url, "DEVELOPMENT_SERVER_URL": url, "MEDIA_URL": f"{url}/media/"}
        # In a terminal, a line for each seal of the audit trail and for each request would scroll the URLs away.
        wanted |= {"LOG_LEVEL": "WARNING", "ACCESS_LOG": "false"}
        if data is not None:
            wanted["KUMANDA_DATA"] = str(data.resolve())
        if any(os.environ.get(name) != value for name, value in wanted.items()):
            os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | wanted)  # noqa: S606 - ourselves

    def _line(self, url: str, accounts: Sequence[Account]) -> str:
        return json.dumps({"url": url, "accounts": [asdict(account) for account in accounts]})

    def _prose(self, url: str, accounts: Sequence[Account]) -> str:
        creator = next(account for account in accounts if account.role == "creator")
        curls = CURLS.format(url=url, username=creator.username, password=creator.password)
        return BANNER.format(url=url, accounts=table_of(accounts), curls=curls)
