"""Values that are stored in the database, read when Prometheus asks: in one process, in little time, not too often.

`settings.METRICS_READINGS` names the functions that read them, by the part of the service that they are about. Each
must read a bounded number of rows. One that fails or takes too long is left out, and the others are shown.
"""

import logging
import threading
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import datetime
from time import monotonic

from django.db import Error, connections
from prometheus_client.core import GaugeMetricFamily, Metric

from common import clock
from common.direct import direct_connection
from common.hooks import METRICS_READINGS, MetricsReading
from common.metrics.readings import Reading
from common.postgres import deadlines

logger = logging.getLogger(__name__)

# How long values are shown again without being read again.
KEPT_SECONDS = 5.0
# How long a scrape waits for them, and how long a reading may wait for the database. One that takes longer all the same
# goes on, and no other one begins before it has ended.
WAIT_SECONDS = 2.0
# For each statement, in seconds.
TIME_LIMITS = {"statement_timeout": 0.5, "lock_timeout": 0.2, "idle_in_transaction_session_timeout": 2.0}


class StoredValues:
    """A collector for prometheus_client."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="metrics-database")
        self._reading: Future[list[Metric]] | None = None
        self._values: list[Metric] = []
        self._valid_until = float("-inf")

    def collect(self) -> list[Metric]:
        with self._lock:
            if monotonic() >= self._valid_until:
                self._renew()
            return self._values

    def describe(self) -> list[Metric]:
        """Otherwise the registry would read the database when this is registered."""
        return []

    def _renew(self) -> None:
        if self._reading is None:
            self._reading = self._pool.submit(self._read)
        if not wait([self._reading], WAIT_SECONDS).done:
            self._values = self._families({}, dict.fromkeys(METRICS_READINGS.functions(), 0.0))
            return
        ended, self._reading = self._reading, None
        self._values = ended.result()
        self._valid_until = monotonic() + KEPT_SECONDS

    def _read(self) -> list[Metric]:
        """Runs in the thread of the pool, on a connection of its own, which is closed at the end."""
        connections["default"] = direct_connection(TIME_LIMITS=TIME_LIMITS)
        deadlines.begin(monotonic() + WAIT_SECONDS)
        readings: dict[str, list[Reading]] = {}
        succeeded = dict.fromkeys(METRICS_READINGS.functions(), 0.0)
        try:
            now = clock.database_time()
            for part, read in METRICS_READINGS.functions().items():
                found = _read_part(part, read, now)
                if found is not None:
                    succeeded[part] = 1.0
                    for reading in found:
                        readings.setdefault(reading.name, []).append(reading)
                elif not connections["default"].is_usable():
                    break
        except Error as error:
            logger.warning("the database does not answer, so its metrics are not shown: %s", error)
        except Exception:  # as of the embedded server, which may not start
            logger.exception("the metrics of the database could not be read")
        finally:
            connections["default"].close()
        return self._families(readings, succeeded)

    def _families(self, readings: Mapping[str, list[Reading]], succeeded: Mapping[str, float]) -> list[Metric]:
        found = [self._family(name, of_name) for name, of_name in readings.items()]
        about = "Whether the values of this part could be read from the database"
        parts = [Reading("readings_ok", about, value, {"part": part}) for part, value in succeeded.items()]
        return [*found, self._family("readings_ok", parts)]

    def _family(self, name: str, readings: Iterable[Reading]) -> Metric:
        first, *_ = readings
        family = GaugeMetricFamily(f"{self._prefix}_{name}", first.about, labels=list(first.labels))
        for reading in readings:
            family.add_metric(list(reading.labels.values()), reading.value)
        return family


def _read_part(part: str, read: MetricsReading, now: datetime) -> list[Reading] | None:
    """All values of a part, or None, which is logged."""
    try:
        return list(read(now))
    except Error as error:
        logger.warning("metrics of %s could not be read: %s", part, error)
    except Exception:
        logger.exception("metrics of %s could not be read", part)
    return None
