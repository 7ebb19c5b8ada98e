"""Backups of the database and of the stored files, and their restore: the commands `backup` and `restore`.

`making.py` and `restoring.py` do it, `programs.py` runs pg_dump and pg_restore, `folders.py` has the files of a backup,
`manifest.py` says what is in it. Decision 53 has the reasons.
"""


class BackupError(Exception):
    """A backup or restore was not done, or not completely; the message says why. Exit code 1."""

    exit_code = 1


class Refused(BackupError):
    """What was given cannot be used, and nothing was changed. Exit code 2."""

    exit_code = 2

    def __init__(self, field: str, rule: str) -> None:
        super().__init__(f"{field}: {rule}")
