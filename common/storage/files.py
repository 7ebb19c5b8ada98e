"""What both storages share: the refusals, and a stored file as a listing has it."""

import errno
from typing import NamedTuple

from django.utils.translation import gettext_lazy as _

from common.metrics import Counter
from common.refusals import Unavailable

# The beginning of the name of a file that is being written. Such files are served by nobody.
TEMPORARY = ".upload-"

# EFBIG: the process may not write files of this size (RLIMIT_FSIZE), or the file system cannot.
_FULL = frozenset([errno.ENOSPC, errno.EDQUOT, errno.EFBIG])


class StorageUnavailable(Unavailable):
    """The storage of pictures does not answer, or refuses the service."""

    code = "storage_unavailable"
    message = _("pictures cannot be stored at the moment; try again shortly")
    retry_after = 5


class StorageFull(Unavailable):
    """The storage of pictures, or the folder of temporary files, has no space left."""

    code = "storage_full"
    message = _("there is no space for pictures at the moment; try again later")
    retry_after = 60


FAILURES = Counter(
    "storage_failures_total",
    "Steps with stored files that failed because the storage was full or unavailable",
    ["reason"],
    known=[(StorageFull.code,), (StorageUnavailable.code,)],
)


def counted[Refused: StorageFull | StorageUnavailable](refusal: Refused) -> Refused:
    """The refusal, for the caller to raise."""
    FAILURES.inc(refusal.code)
    return refusal


class StoredFile(NamedTuple):
    name: str
    modified: float  # Unix time, by the clock of the storage
    size: int = 0  # bytes; listings have it, comparisons of names do not keep it

    @property
    def is_temporary(self) -> bool:
        return self.name.rpartition("/")[2].startswith(TEMPORARY)


def is_full(error: OSError) -> bool:
    return error.errno in _FULL


def refusal_of(error: OSError) -> StorageFull | StorageUnavailable:
    """The refusal that stands for an error of the file system."""
    return StorageFull() if is_full(error) else StorageUnavailable()
