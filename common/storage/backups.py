"""While a backup runs, no stored file is removed or renamed (decision 53).

A backup reads the rows of one snapshot, and copies the files that these name afterwards. So a job must not remove or
rename a file while a backup runs. It is enough to check the lock without taking it: a job runs after the commit of the
change that no longer names the file, so the snapshot of a backup that begins after the check does not name the file.
"""

from common.locks import AdvisoryLock

# Of the database: one backup or restore at a time.
BACKUP = AdvisoryLock("backup")


class BackupRunning(Exception):
    """A backup runs. Jobs are tried again later."""

    def __init__(self) -> None:
        super().__init__("A backup runs, during which no stored file is removed or renamed.")


def refuse_while_running() -> None:
    """Call it after the rows were read or changed, and before the files are. Raises BackupRunning."""
    if BACKUP.is_held():
        raise BackupRunning
