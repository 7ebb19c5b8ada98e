"""The audit trail is append-only: the database refuses every other statement."""

from datetime import datetime

import pytest
from django.db import IntegrityError, connection, transaction

from accounts.models import User
from common import audit
from common.models import AuditEntry


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE common_auditentry SET reason = 'forged'",
        "DELETE FROM common_auditentry",
        "TRUNCATE common_auditentry",
        "DELETE FROM common_auditentry WHERE id < 0",
    ],
)
def test_the_database_refuses_to_alter_or_remove_entries(creator: User, now: datetime, statement: str) -> None:
    audit.record("greet", creator, by=creator, now=now, before={}, after={"said": "merhaba"})

    with (
        pytest.raises(IntegrityError, match=r"the audit trail only grows: .* on common_auditentry is refused"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)

    entry = AuditEntry.objects.get()
    assert (entry.action, entry.after, entry.reason) == ("greet", {"said": "merhaba"}, "")
