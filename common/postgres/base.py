"""The database backend: Django's own, which starts the embedded server when the settings ask for one."""

from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db.backends.postgresql import base

from common.postgres.embedded import PORT, server_in


class DatabaseWrapper(base.DatabaseWrapper):
    """Takes one setting more than Django's backend: EMBEDDED_DATA_DIR, the folder of a private server.

    Without it this is Django's backend. With it, HOST and PORT are filled in here, and USER names both the
    server's only role and the database that is there from the start.
    """

    def get_connection_params(self) -> dict[str, Any]:
        # Every new connection passes here, so a server that died meanwhile comes back with the next one.
        folder = self.settings_dict.get("EMBEDDED_DATA_DIR")
        if folder:
            if not self.settings_dict["USER"]:
                raise ImproperlyConfigured("EMBEDDED_DATA_DIR needs USER: the server's role and first database.")
            sockets = server_in(Path(folder), owner=self.settings_dict["USER"]).ensure_running()
            self.settings_dict.update(HOST=str(sockets), PORT=PORT)
        return super().get_connection_params()
