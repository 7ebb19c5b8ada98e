"""What `common` stores about a person: see `common.personal_data`."""

from collections.abc import Iterator

from common.models import (
    AuditArchive,
    AuditEntry,
    AuditRedaction,
    AuditSeal,
    KeyUse,
    LastingKey,
    LastWrite,
    RateCounter,
    RunningProcess,
    StoragePlace,
    StoredAnswer,
)
from common.personal_data import Declaration, Elsewhere, Keep, NotPersonal, Remove, Source, TrailKeys

REDACTED = Elsewhere("common.audit_redaction", frozenset(["actor_name", "before", "after", "reason"]))
OF_THE_CALL = {
    "action": "the name of an action",
    "target_type": "the name of a model",
    "request_id": "the id of a call or job",
}
ACTOR = "who did it"
DIGESTS = "digests, and names of files that the service makes"


def declarations() -> Iterator[Declaration]:
    with_address = Elsewhere(REDACTED.by, REDACTED.columns | {"client_address"})
    yield Source("audit_trail_as_actor", AuditEntry, "actor_id", with_address, kept=OF_THE_CALL, is_about=False)
    yield Source(
        "audit_trail_as_target",
        AuditEntry,
        "target_id",
        REDACTED,
        withheld={"actor_id": ACTOR, "actor_name": ACTOR, "client_address": ACTOR},
        is_about=False,
    )
    digests = dict.fromkeys(["file", "old_digest", "new_digest", "digest"], DIGESTS)
    yield Source("audit_redactions", AuditRedaction, "person", Keep("the id only"), kept=digests)
    yield NotPersonal(AuditSeal, {"*": DIGESTS})
    yield NotPersonal(AuditArchive, {"*": DIGESTS + "; their rows are redacted, too"})
    yield Source("last_write", LastWrite, "caller", Remove())
    yield NotPersonal(
        StoredAnswer,
        {"*": "an encrypted answer without the caller; it is removed after IDEMPOTENCY_KEY_HOURS"},
    )
    yield NotPersonal(RateCounter, {"*": "a keyed hash of the caller; it is removed after the window"})
    yield NotPersonal(StoragePlace, {"*": "a machine and a folder"})
    yield NotPersonal(RunningProcess, {"*": "a machine, a process and digests of keys"})
    yield NotPersonal(KeyUse, {"*": "the name of a setting and the digest of a key"})
    yield NotPersonal(LastingKey, {"*": "a key of the service, encrypted"})
    yield TrailKeys(
        "run",
        others={
            **dict.fromkeys(["copied", "first_id", "last_id", "removed", "renamed", "rows"], "a number"),
            **dict.fromkeys(["encrypted_again", "links_kept"], "a number"),
            "signs": "the name of a key",
            **dict.fromkeys(["file", "files", "partition", "sha256"], "made by the service"),
            **dict.fromkeys(["format", "is_complete"], "a choice"),
            "filter": "its keys are those of audit_rows",
        },
    )
    yield TrailKeys(
        "job",
        others={
            **dict.fromkeys(["task", "queue"], "made by the service"),
            "state": "a choice",
            "attempts": "a number",
        },
    )
    # Exports of the trail have the kind audit_rows, and the filter that was searched for.
    yield TrailKeys("audit_rows", searches=frozenset(["q", "who", "about"]))
