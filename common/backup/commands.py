"""What the commands `backup` and `restore` have in common."""

from abc import abstractmethod
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from django.db import InterfaceError

from common.backup import BackupError
from common.commands import OperatorCommand, Outcome
from common.storage import StorageFull, StorageUnavailable


class BackupCommand(OperatorCommand):
    """`work_in` gets the folder of backups."""

    changes_data = True

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--folder", default="", help="where the backups are, instead of BACKUP_FOLDER")

    @abstractmethod
    def work_in(self, folder: Path, **options: Any) -> Outcome:
        """Raises BackupError, StorageFull, StorageUnavailable."""

    def work(self, **options: Any) -> Outcome:
        try:
            return self.work_in(Path(options.pop("folder") or settings.BACKUP_FOLDER).absolute(), **options)
        except BackupError as error:
            raise CommandError(str(error), returncode=error.exit_code) from error
        except (StorageUnavailable, StorageFull) as refusal:
            raise CommandError(f"The storage of pictures fails: {refusal.__cause__ or refusal.message}") from refusal
        except InterfaceError as error:
            raise CommandError(f"The connection to the database was lost: {error}") from error
