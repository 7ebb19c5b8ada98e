"""What commands say when the role of DATABASE_URL lacks a privilege."""

import pytest

from tests.commands.backups import as_role_without_rights
from tests.commands.conftest import Run
from tests.servers import database_url

# `purge` logs each kind of rows that it cannot remove, and does the others.
CALLS = [
    "streams list",
    "queue list",
    "deliveries list",
    "people show ada",
    "rotate_keys --dry-run",
    "expire_streams",
    "seal_audit_trail",
    "media check",
]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("call", CALLS)
def test_the_command_names_the_owner_and_not_a_migration(call: str, run: Run) -> None:
    denied = as_role_without_rights(database_url())
    finished = run(*call.split(), DATABASE_URL=denied, DATABASE_DIRECT_URL=denied)
    assert finished.returncode == 1
    assert "let DATABASE_URL name the owner" in finished.stderr
    assert "migrate" not in finished.stderr
    assert "Traceback" not in finished.stderr
