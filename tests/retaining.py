"""Running single kinds of retention."""

from datetime import datetime

from common.items import Items
from common.retention import Removal, kinds


def remove(name: str, *, now: datetime, dry_run: bool = False) -> int:
    """How many rows of the kind were removed, or would be."""
    (kind,) = (kind for kind in kinds() if kind.name == name)
    removal = Removal(dry_run, Items("purge"))
    kind.remove(now, removal)
    return removal.count
