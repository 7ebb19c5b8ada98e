"""Where backups are made, and with which programs. Checked when a process starts."""

from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from config.environment import DATA_DIR, env

BACKUP_FOLDER = Path(env.str("BACKUP_FOLDER", default="") or DATA_DIR / "backups").absolute()
_PROGRAMS = env.str("POSTGRES_PROGRAMS", default="")
POSTGRES_PROGRAMS = Path(_PROGRAMS) if _PROGRAMS else None
if POSTGRES_PROGRAMS and not (POSTGRES_PROGRAMS / "pg_dump").is_file():
    raise ImproperlyConfigured("POSTGRES_PROGRAMS must be a folder with pg_dump and pg_restore, or empty.")
