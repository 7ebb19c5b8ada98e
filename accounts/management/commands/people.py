"""Accounts of people and servers, without a shell."""

from argparse import SUPPRESS, ArgumentParser
from collections.abc import Callable
from functools import partial
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from django.db import transaction

from accounts.management import erasing, people
from accounts.management.people import found
from common.commands import OperatorCommand, Outcome
from common.refusals import Invalid, Missing, Refusal

LONGEST_TOKEN_DAYS = 3650


class Command(OperatorCommand):
    help = (
        "Create accounts of people and servers, change what they may do, and show, export or erase what is stored\n"
        "about a person. Each change writes an audit row. USER is an id or a username. people ACTION --help lists the\n"
        "options of an action. Passwords and tokens that it makes are shown only once."
    )
    examples = (
        "python manage.py people create ada --role moderator --email ada@example.com",
        "python manage.py people create chat.server --role service-account --json",
        "python manage.py people grant ada senior-moderator --reason 'Team lead'",
        "python manage.py people revoke ada moderator --dry-run",
        "python manage.py people deactivate ada --reason 'Left'",
        "python manage.py people activate ada --reason 'Came back'",
        "python manage.py people password ada",
        "python manage.py people password ada --stdin",
        "python manage.py people token chat.server --end-others",
        "python manage.py people show ada",
        "python manage.py people export ada --output ada.json",
        "python manage.py people export ada",
        "python manage.py people erase ada --dry-run",
        "python manage.py people erase ada --yes --reason 'Request 17'",
    )
    changes_data = True

    def add_arguments(self, parser: CommandParser) -> None:
        actions = self.add_actions(parser)
        roles = [*settings.ROLES, "superuser"]

        def add(name: str, text: str, *, needs: str = "user") -> ArgumentParser:
            action = self.add_action(actions, name, text)
            action.add_argument("--dry-run", action="store_true", default=SUPPRESS, help="change nothing")
            action.add_argument(needs, help="an id or a username" if needs == "user" else "the username")
            return action

        create = add("create", "create an account, with a password or, for a server, with a token", needs="username")
        create.add_argument("--role", action="append", default=[], help=f"can be repeated: {', '.join(roles)}")
        for name in ("name", "surname", "email"):
            create.add_argument(f"--{name}", default="")
        create.add_argument("--without-password", action="store_true", help="for users of an identity provider")
        for name in ("grant", "revoke"):
            action = add(name, f"{name} a role")
            action.add_argument("role", help=f"{', '.join(roles)}, or the name of a group")
        add("deactivate", "refuse further logins and end all sessions")
        add("activate", "allow logins again")
        add("password", "set a password, by default a random one, and end all sessions")
        for name in ("create", "password"):
            actions.choices[name].add_argument(
                "--stdin", action="store_true", help="the password is the first line of the standard input"
            )
        token = add("token", "issue another token for the account of a server")
        other = token.add_mutually_exclusive_group()
        other.add_argument("--end-others", action="store_true", help="end all tokens from before at once")
        other.add_argument("--end", metavar="ID", help="end the token with this id, and issue none")
        add("show", "show what an account may do, and its sessions")
        export = add("export", "write all that is stored about a person as one JSON object")
        export.add_argument("--output", metavar="FILE", help="default: the standard output; the text is then left out")
        erase = add("erase", "replace the name of a person everywhere, and remove what is stored about them")
        erase.add_argument("--yes", action="store_true", help="ask no question")
        for name in ("create", "token"):
            actions.choices[name].add_argument(
                "--days", type=int, default=settings.SERVICE_TOKEN_DAYS, help="how long the token holds"
            )
        for name in ("create", "grant", "revoke", "deactivate", "activate", "token", "erase"):
            actions.choices[name].add_argument("--reason", default="", help="what the audit trail keeps as the reason")

    def work(self, **options: Any) -> Outcome:
        action, dry_run = options.pop("action"), options["dry_run"]
        if not 1 <= options.get("days", 1) <= LONGEST_TOKEN_DAYS:
            raise CommandError(f"--days: must be between 1 and {LONGEST_TOKEN_DAYS}", returncode=2)
        if "user" in options:
            options["user"] = found(options["user"])
        try:
            outcome = self._done(action, **options)
        except Refusal as refusal:
            is_wrong_use = isinstance(refusal, Invalid | Missing)
            raise CommandError("; ".join(refusal.reasons), returncode=2 if is_wrong_use else 1) from refusal
        if action == "export" and not options["output"]:
            self.stdout = self.stderr
        return Outcome({"dry_run": dry_run, "action": action} | outcome.facts, outcome.text, outcome.problem)

    def _done(self, action: str, **options: Any) -> Outcome:
        """Export and erasure are no single transaction: a person may have 100,000 rows."""
        if action == "export":
            return erasing.export(write=partial(self.stdout.write, ending=""), **options)
        if action == "erase":
            return erasing.erase(bar=self.advancing, **options)
        do: Callable[..., Outcome] = getattr(people, action)
        with transaction.atomic():
            outcome = do(**options)
            transaction.set_rollback(options["dry_run"])
        return outcome
