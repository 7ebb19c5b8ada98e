"""The folder of files in which the processes of one server keep their values, and what is left of those that ended.

prometheus_client keeps the values of a process in files that are mapped into memory, one for each kind of metric. A
value is in the file as soon as it is changed, so it survives the process, also when that is killed.
"""

import fcntl
import logging
import mmap
import os
import shutil
import struct
import tempfile
import threading
from contextlib import suppress
from pathlib import Path

from prometheus_client.mmap_dict import MmapedDict, mmap_key
from prometheus_client.multiprocess import MultiProcessCollector

from common.metrics.files import SIZES, file_of, reserve

logger = logging.getLogger(__name__)

FOLDERS = "metrics-of-server-"
# The kinds that outlive their process. All others say what living processes do.
LASTING = ("counter", "histogram")


class SharedFolder:
    """A folder of its own below that of temporary files, until `remove`.

    The process that made it keeps it locked. What killed processes left behind is removed by the next one that starts.
    Raises OSError.
    """

    def __init__(self) -> None:
        base = Path(tempfile.gettempdir())
        _remove_abandoned(base)
        self.path = Path(tempfile.mkdtemp(prefix=FOLDERS, dir=base))
        self._handle = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(self._handle, fcntl.LOCK_EX)
        # Guards the files against a reader that sees an ended process twice, or not at all.
        self.lock = threading.Lock()

    def retire(self, pid: int) -> None:
        """Add the counts of a process that has ended to those of all that ended before, and remove its files."""
        with self.lock:
            try:
                for kind in LASTING:
                    self._keep(kind, pid)
            except Exception:
                # They are counted all the same, because the file stays. The supervisor has more important work.
                logger.exception("the counts of an ended process were not added to the others")
            for kind in SIZES.keys() - LASTING:
                file_of(self.path, kind, pid).unlink(missing_ok=True)

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._handle)

    def _keep(self, kind: str, pid: int) -> None:
        ended, kept = file_of(self.path, kind, pid), file_of(self.path, kind, "ended")
        if not ended.exists():  # it ended before it had any
            return
        files = [file for file in (kept, ended) if file.exists()]
        added = self.path / f"{kind}_ended.added"  # not a name that is read
        added.unlink(missing_ok=True)  # of an attempt that failed
        reserve(added, sum(map(_used, files)))
        values = MmapedDict(str(added))  # type: ignore[no-untyped-call]
        for metric in MultiProcessCollector.merge(map(str, files), accumulate=False):  # type: ignore[no-untyped-call]
            for sample in metric.samples:
                names, given = list(sample.labels), list(sample.labels.values())
                key = mmap_key(metric.name, sample.name, names, given, metric.documentation)
                values.write_value(key, sample.value, 0.0)  # type: ignore[no-untyped-call]
        values.close()  # type: ignore[no-untyped-call]
        added.replace(kept)
        ended.unlink()


def _used(file: Path) -> int:
    """How many bytes of the file are used. Values of the same series take as many in several files as in one."""
    with file.open("rb") as opened:
        (used,) = struct.unpack("i", opened.read(4))
    return max(int(used), mmap.PAGESIZE)


def _remove_abandoned(base: Path) -> None:
    """Remove the folders of processes that are gone: nobody keeps them locked."""
    for folder in base.glob(f"{FOLDERS}*"):
        with suppress(OSError):  # locked, of somebody else, or just removed
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.fstat(handle).st_uid == os.getuid():
                    shutil.rmtree(folder)
            finally:
                os.close(handle)
