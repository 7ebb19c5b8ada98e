"""Metrics in a server process: `serve` names the folder of their values in its environment."""

import asyncio
import logging
import os
from pathlib import Path

from common.metrics import declared
from common.metrics.files import join

logger = logging.getLogger(__name__)

SECONDS_BETWEEN_SAMPLES = 1.0


def enable_in_folder(prefix: str) -> None:
    """Enable metrics, unless there is no folder for them or no space in it."""
    folder = os.environ.get(declared.FOLDER_VARIABLE)
    if folder is None:
        return
    try:
        join(Path(folder))
    except OSError as error:
        logger.error("metrics of this process are off: %s", error)  # noqa: TRY400 - says all
        return
    declared.enable(prefix, folder=Path(folder))


def keep_sampling(loop: asyncio.AbstractEventLoop) -> None:
    """Read gauges again and again, because the process that shows them cannot."""
    if declared.is_enabled():
        declared.sample()
        loop.call_later(SECONDS_BETWEEN_SAMPLES, keep_sampling, loop)
