"""The audit trail in words: runs that have no single target, and exports of the trail itself."""

from django.utils.translation import gettext_lazy as _

from common.admin.audit_registry import Action, Group, Kind, add_action, add_group, add_kind

RUN = "run"  # the kind of actions whose target is no row: its name in the trail is that of what was removed
JOB = "job"  # of Procrastinate; its id is a number

SYSTEM = "system"

add_group(Group(SYSTEM, _("System"), 40))

add_kind(
    Kind(
        RUN,
        _("run"),
        fields={
            "removed": _("removed"),
            "renamed": _("renamed"),
            "copied": _("copied"),
            "files": _("files"),
            "rows": _("rows"),
            "format": _("format"),
            "filter": _("filter"),
            "is_complete": _("complete"),
            "partition": _("partition"),
            "file": _("file"),
            "sha256": _("SHA-256"),
            "first_id": _("first id"),
            "last_id": _("last id"),
            "signs": _("key"),
            "encrypted_again": _("encrypted again"),
            "links_kept": _("kinds of links"),
        },
    )
)

add_kind(
    Kind(
        JOB,
        _("job"),
        fields={"task": _("task"), "queue": _("queue"), "state": _("state"), "attempts": _("attempts")},
    )
)

for action in (
    Action(
        "retry_job",
        JOB,
        SYSTEM,
        _("run a job again"),
        _("%(actor)s lets a job run again (%(task)s)"),
    ),
    Action(
        "cancel_job",
        JOB,
        SYSTEM,
        _("cancel a job"),
        _("%(actor)s cancelled a job (%(task)s)"),
    ),
    Action(
        "purge",
        RUN,
        SYSTEM,
        _("remove what is past its retention"),
        _("%(actor)s removed %(removed)s rows past their retention (%(target)s)"),
    ),
    Action(
        "delete_stored_files",
        RUN,
        SYSTEM,
        _("delete stored files that no row names"),
        _("%(actor)s deleted %(removed)s stored files that no row names"),
    ),
    Action(
        "rename_stored_files",
        RUN,
        SYSTEM,
        _("rename stored files of deleted rows"),
        _("%(actor)s gave %(renamed)s stored files of deleted rows their new names"),
    ),
    Action(
        "copy_stored_files",
        RUN,
        SYSTEM,
        _("copy stored files to another storage"),
        _("%(actor)s copied %(copied)s stored files to another storage"),
    ),
    Action(
        "archive_audit_rows",
        RUN,
        SYSTEM,
        _("archive the audit trail"),
        _("%(actor)s moved %(rows)s rows of the audit trail to a file"),
    ),
    Action(
        "make_backup",
        RUN,
        SYSTEM,
        _("make a backup"),
        _("%(actor)s made the backup %(file)s of %(rows)s rows and %(files)s files"),
    ),
    Action(
        "restore_backup",
        RUN,
        SYSTEM,
        _("restore a backup"),
        _("%(actor)s restored the backup %(file)s of %(rows)s rows and %(files)s files"),
    ),
    Action(
        "rotate_keys",
        RUN,
        SYSTEM,
        _("encrypt with a new key"),
        _("%(actor)s encrypted %(encrypted_again)s values with the new key of the service"),
    ),
    Action(
        "export_audit_rows",
        RUN,
        SYSTEM,
        _("export the audit trail"),
        _("%(actor)s began an export of the audit trail as %(format)s"),
    ),
    Action(
        "finish_audit_export",
        RUN,
        SYSTEM,
        _("finish an export of the audit trail"),
        _("%(actor)s exported %(rows)s rows of the audit trail as %(format)s"),
    ),
):
    add_action(action)
