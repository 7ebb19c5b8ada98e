"""The metrics of whole processes: those of `serve` with all its server processes, and those of a worker."""

import logging
import platform
from collections.abc import Mapping
from contextlib import suppress
from typing import Protocol

import psutil
from django.conf import settings
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector

from common.metrics.addresses import Address
from common.metrics.declared import FOLDER_VARIABLE, enable, sample
from common.metrics.exporter import Exporter
from common.metrics.shared import SharedFolder
from common.metrics.stored import StoredValues

logger = logging.getLogger(__name__)

# How server processes die.
USUAL_ENDINGS = ("exit", "SIGKILL", "SIGSEGV", "SIGBUS", "SIGABRT")


class Supervised(Protocol):
    """What is known about the server processes. Called in other threads than that of the supervisor."""

    def living(self) -> Mapping[int, int]:
        """The process ids by slot."""

    def died(self) -> Mapping[str, int]:
        """How many processes died, by the reason."""


class ServerMetrics:
    """The metrics of one `serve`, which shows them for its processes."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._folder = SharedFolder()
        self._exporter: Exporter | None = None

    @classmethod
    def of_settings(cls) -> "ServerMetrics | None":
        """None without an address in the settings, and if there is no place for the files."""
        if settings.METRICS_SERVE_ADDRESS is None:
            return None
        try:
            return cls(settings.METRICS_SERVE_ADDRESS)
        except OSError as error:
            logger.error("metrics are off, because their folder cannot be made: %s", error)  # noqa: TRY400 - says all
            return None

    @property
    def environment(self) -> dict[str, str]:
        """What server processes need to know."""
        return {FOLDER_VARIABLE: str(self._folder.path)}

    def retire(self, pid: int) -> None:
        """A server process has ended."""
        self._folder.retire(pid)

    def start(self, supervised: Supervised) -> None:
        prefix = settings.METRICS_PREFIX
        registry = CollectorRegistry()
        for collector in (
            _Build(),
            _Shared(self._folder),
            _ServerProcesses(supervised),
            StoredValues(prefix),
        ):
            registry.register(collector)
        self._exporter = _started(registry, self._address)

    def stop(self) -> None:
        if self._exporter is not None:
            self._exporter.stop()
        self._folder.remove()


def show_metrics_of_worker() -> None:
    """Enable metrics and show those of this process until it ends, if the settings have an address for it."""
    if settings.METRICS_WORKER_ADDRESS is None:
        return
    registry = enable(settings.METRICS_PREFIX)
    for collector in (_Build(), _Sampling()):
        registry.register(collector)
    ProcessCollector(registry=registry)
    _started(registry, settings.METRICS_WORKER_ADDRESS)


def _started(registry: CollectorRegistry, address: Address) -> Exporter:
    exporter = Exporter(registry, token=settings.OPERATIONS_TOKEN)
    exporter.start(address)
    return exporter


class _Build:
    def collect(self) -> list[Metric]:
        facts = {"version": settings.SPECTACULAR_SETTINGS["VERSION"], "python": platform.python_version()}
        family = GaugeMetricFamily(f"{settings.METRICS_PREFIX}_build_info", "Always 1", labels=list(facts))
        family.add_metric(list(facts.values()), 1)
        return [family]


class _Sampling:
    """Reads gauges before they are shown: registries collect in the order of registration."""

    def collect(self) -> list[Metric]:
        sample()
        return []


class _Shared:
    """The values of all server processes. None of them is retired meanwhile."""

    def __init__(self, folder: SharedFolder) -> None:
        self._lock = folder.lock
        self._files = MultiProcessCollector(None, path=str(folder.path))  # type: ignore[no-untyped-call]

    def collect(self) -> list[Metric]:
        with self._lock:
            return list(self._files.collect())  # type: ignore[no-untyped-call]


class _ServerProcesses:
    """What only the supervisor knows."""

    def __init__(self, supervised: Supervised) -> None:
        self._supervised = supervised

    def collect(self) -> list[Metric]:
        prefix = f"{settings.METRICS_PREFIX}_server_process"
        living = self._supervised.living()
        count = GaugeMetricFamily(f"{prefix}es", "Server processes that run", value=len(living))
        memory = GaugeMetricFamily(f"{prefix}_resident_bytes", "Memory of a server process", labels=["slot"])
        for slot, pid in living.items():
            with suppress(psutil.Error):  # it has just ended
                memory.add_metric([str(slot)], psutil.Process(pid).memory_info().rss)
        deaths = CounterMetricFamily(f"{prefix}_deaths", "Server processes that died", labels=["reason"])
        # Series that begin at 0: see `known` in declared.py.
        for reason, number in (dict.fromkeys(USUAL_ENDINGS, 0) | dict(self._supervised.died())).items():
            deaths.add_metric([reason], number)
        return [count, memory, deaths]
