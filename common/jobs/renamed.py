"""Tasks that were moved or renamed: jobs stored under the old name must still run after an upgrade."""

from django.conf import settings
from procrastinate import App


def register_old_names(app: App) -> None:
    """Register each old name of `settings.RENAMED_TASKS` as an alias. For `settings.PROCRASTINATE_ON_APP_READY`.

    Raises KeyError when a new name is not that of a task.
    """
    for old, new in settings.RENAMED_TASKS.items():
        app.add_task_alias(app.tasks[new], old)
