"""Which database may get the demo data, and the passwords of its accounts.

The default passwords are public: they are in this repository. They are used only in the embedded database of the
developer's machine. An external database gets random passwords, and only if it has no users.
"""

from dataclasses import replace
from secrets import token_urlsafe

from django.contrib.auth.hashers import check_password
from django.core.management.base import CommandError, CommandParser
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.utils import timezone

import accounts.services
from accounts.models import User
from common.doctor import unknown_migrations
from config.world import ACCOUNTS, Account

FLAG = "--external-database"


def is_embedded() -> bool:
    return bool(connection.settings_dict.get("EMBEDDED_DATA_DIR"))


def add_flag(parser: CommandParser) -> None:
    parser.add_argument(
        FLAG,
        action="store_true",
        help="use the database of DATABASE_URL, which must have no users yet; the passwords are then random",
    )


def refuse_wrong_database(*, is_external_wanted: bool) -> None:
    """Raises CommandError unless the database is the embedded one or, with `is_external_wanted`, has no users.

    A database without our tables has no users.
    """
    if is_embedded():
        return
    if not is_external_wanted:
        raise CommandError(
            "DATABASE_URL names a database, and the demo would fill it with invented users, one of them a superuser. "
            f"Unset DATABASE_URL to use the embedded database, or give {FLAG}.",
            returncode=2,
        )
    if has_users():
        raise CommandError(
            "The database of DATABASE_URL has users already; the demo needs a database without users. "
            "Nothing was changed.",
            returncode=2,
        )


def refuse_other_version() -> None:
    """Raises CommandError if the database has migrations that this version does not have."""
    if unknown := unknown_migrations(MigrationLoader(connection)):
        raise CommandError(
            f"The database is of another version: it has migrations that this version lacks, such as {unknown[0]}. "
            "Use an empty one. For the embedded database: delete the folder .data, or name another with --data."
        )


def has_users() -> bool:
    with connection.cursor() as cursor:
        tables = connection.introspection.table_names(cursor)
    return User._meta.db_table in tables and User.objects.exists()


def accounts_for_this_database() -> list[Account]:
    """The accounts with the public passwords for the embedded database, with random ones for any other."""
    if is_embedded():
        return ACCOUNTS
    return [replace(account, password=token_urlsafe(12)) for account in ACCOUNTS]


# --- accounts with public passwords ---------------------------------------------------------------


def open_accounts() -> list[User]:
    """Active users whose password is the public password of their demo account."""
    return [user for account in ACCOUNTS if (user := _opened_by(account)) is not None]


def close_accounts() -> list[str]:
    """Replace their passwords by random ones and end their sessions. Returns their usernames."""
    opened = open_accounts()
    for user in opened:
        accounts.services.replace_password(user, token_urlsafe(32), by=None, now=timezone.now())
    return [user.username for user in opened]


def _opened_by(account: Account) -> User | None:
    try:
        user = User.objects.get_by_natural_key(account.username)
    except User.DoesNotExist:
        return None
    # Not User.check_password, which may write a new hash.
    return user if user.is_active and check_password(account.password, user.password) else None
