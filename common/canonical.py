"""The canonical form over which digests of the audit trail are computed: see decision 11."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import orjson

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# Of an entry of the audit trail. `at` is in microseconds since EPOCH, ids are hexadecimal text, JSON is text.
COLUMNS = (
    "id", "at", "entry_point", "actor_id", "actor_name", "action", "target_type", "target_id", "before", "after",
    "reason", "request_id",
)  # fmt: skip

type Row = Sequence[Any]


def canonical(values: Row) -> bytes:
    """One line: a JSON array without spaces, in UTF-8, as RFC 8785 writes integers, strings and null."""
    return orjson.dumps(values, option=orjson.OPT_APPEND_NEWLINE)


def digest_of(values: Row) -> str:
    return sha256(canonical(values)).hexdigest()


def micros(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1)
