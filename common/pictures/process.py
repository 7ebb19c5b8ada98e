"""Runs `program.py` in a process for each picture, with a limit on concurrent processes."""

import importlib.util
import json
import logging
import os
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from common.metrics import Counter, Gauge
from common.pictures.headers import Damaged, Header, Unfit
from common.refusals import Unavailable
from common.server.threads import begin_wait

logger = logging.getLogger(__name__)

DECODING = Gauge("pictures_decoding", "Pictures that are decoded now")
SLOTS = Gauge("picture_slots", "Pictures that may be decoded at once", read=lambda: settings.PICTURE_SLOTS)
PICTURES = Counter(
    "pictures_total",
    "Pictures that were decoded, that cannot be (unfit), and those for which there was no slot (refused)",
    ["outcome"],
    known=[("decoded",), ("unfit",), ("refused",)],
)

PROGRAM = Path(__file__).with_name("program.py")
QUALITY = 82
NICE = 5  # about a third of the CPU share of the server, when both need the CPU
CPU_SECONDS = 8
MEMORY_BYTES = 640 * 1_048_576
# Longer than CPU_SECONDS, so that it is only reached when the process did not get the CPU.
DEADLINE_SECONDS = 15
WAIT_SECONDS = 3
MOST_WAITING = 5  # threads of a process for each slot

# Exit codes of the program, beside 0.
DAMAGED = 65
TOO_MUCH_MEMORY = 66


class PictureSlotsFull(Unavailable):
    """Too many pictures at once, or the machine is too busy to decode one in time."""

    code = "picture_slots_full"
    message = _("too many pictures are being processed; try again shortly")
    retry_after = 5


class Slots:
    """A semaphore with a limited queue and a limited waiting time, so that other calls still get threads."""

    def __init__(self, number: int) -> None:
        self._free = threading.BoundedSemaphore(number)
        self._places = threading.BoundedSemaphore(number * (1 + MOST_WAITING))

    @contextmanager
    def one(self) -> Iterator[None]:
        """Hold a slot. Raises PictureSlotsFull when none becomes free in time."""
        if not self._places.acquire(blocking=False):
            raise PictureSlotsFull
        try:
            if not self._free.acquire(timeout=WAIT_SECONDS):
                raise PictureSlotsFull
            try:
                yield
            finally:
                self._free.release()
        finally:
            self._places.release()


slots = Slots(settings.PICTURE_SLOTS)


def decoded(content: bytes, header: Header, *, max_side: int, squares: Sequence[int]) -> list[bytes]:
    """The picture and then its squares, as WebP files. Raises Unfit, PictureSlotsFull."""
    order = {
        "format": header.format,
        "size": [header.width, header.height],
        "has_all_scans": header.has_all_scans,
        "max_side": max_side,
        "squares": list(squares),
        "quality": QUALITY,
        "packages": _packages(),
        "parent": os.getpid(),
        "nice": NICE,
        "cpu_seconds": CPU_SECONDS,
        "memory_bytes": MEMORY_BYTES,
    }
    begin_wait()
    outcome = "failed"
    try:
        with slots.one():
            DECODING.add(1)
            try:
                outputs = _outputs(_run(content, order))
            finally:
                DECODING.add(-1)
        outcome = "decoded"
    except Unfit:
        outcome = "unfit"
        raise
    except PictureSlotsFull:
        outcome = "refused"
        raise
    finally:
        PICTURES.inc(outcome)
    return outputs


def _packages() -> str:
    """The folder of Pillow. It is not imported here, which saves the server some megabytes."""
    found = importlib.util.find_spec("PIL")
    if found is None or found.origin is None:
        raise ModuleNotFoundError("PIL")
    return str(Path(found.origin).parent.parent)


def _run(content: bytes, order: dict[str, object]) -> bytes:
    try:
        done = subprocess.run(
            # Isolated, without site packages and without writing bytecode: it starts faster and reads less.
            [sys.executable, "-I", "-S", "-B", "-W", "ignore", str(PROGRAM), json.dumps(order)],
            input=content,
            capture_output=True,
            env={name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ},
            cwd="/",
            timeout=DEADLINE_SECONDS,  # it is killed then
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        logger.warning("a picture was not decoded within %d s", DEADLINE_SECONDS)
        raise PictureSlotsFull from error
    if done.returncode in (-signal.SIGXCPU, -signal.SIGKILL, TOO_MUCH_MEMORY):
        raise Unfit(_("takes too much work to decode; save it anew in a simpler form"))
    if done.returncode == DAMAGED:
        raise Damaged
    if done.returncode in (-signal.SIGTERM, -signal.SIGINT):  # the service is being stopped
        raise PictureSlotsFull
    if done.returncode < 0:
        # Operators should look into a crash of the decoder. For the client it is a picture that cannot be read.
        logger.error("a decoder of %s was ended by signal %d", order["format"], -done.returncode)
        raise Damaged
    if done.returncode:
        raise RuntimeError(f"the decoder did not start: {done.stderr[-2000:].decode(errors='replace')}")
    return done.stdout


def _outputs(written: bytes) -> list[bytes]:
    outputs, at = [], 0
    while at < len(written):
        (length,) = struct.unpack_from(">I", written, at)
        outputs.append(written[at + 4 : at + 4 + length])
        at += 4 + length
    return outputs
