"""Metrics as modules declare them. Each becomes one of prometheus_client when the process enables metrics.

prometheus_client chooses when it is imported whether its values are in files that processes share, and its import takes
60 ms. So it is imported by `enable` and not by the modules that declare metrics.
"""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"  # prometheus_client reads it

# How the values of several processes become one: the sum, the largest or the smallest of those that are alive.
type Across = Literal["livesum", "livemax", "livemin"]


class _Enabled:
    """What `enable` has chosen."""

    prefix = ""
    registry: "CollectorRegistry | None" = None


class Metric:
    """Does nothing until `enable` is called. `labels` are names; methods take their values in the same order.

    Each of `known` is a tuple of values whose series begins at 0. Of a series that begins at 1, `increase()` of
    Prometheus does not see the first event.
    """

    declared: ClassVar[list["Metric"]] = []

    def __init__(
        self, name: str, about: str, labels: Sequence[str] = (), *, known: Iterable[tuple[str, ...]] = ()
    ) -> None:
        self.name, self.about, self.labels, self._known = name, about, tuple(labels), tuple(known)
        self._made: Any = None
        self._series: dict[tuple[str, ...], Any] = {}
        self.declared.append(self)
        if _Enabled.registry is not None:
            self.make()

    @property
    def is_enabled(self) -> bool:
        return self._made is not None

    def make(self) -> None:
        self._made = self._make(f"{_Enabled.prefix}_{self.name}", self.about, self.labels, registry=_Enabled.registry)
        for values in self._known:
            self.series(*values)

    def series(self, *values: str) -> Any:
        """The metric of prometheus_client with these labels. Only for an enabled metric."""
        found = self._series.get(values)
        if found is None:
            found = self._series[values] = self._made.labels(*values) if self.labels else self._made
        return found

    def _make(self, *args: Any, **options: Any) -> Any:
        raise NotImplementedError


class Counter(Metric):
    def inc(self, *values: str, by: float = 1) -> None:
        if self._made is not None:
            self.series(*values).inc(by)

    def _make(self, *args: Any, **options: Any) -> Any:
        from prometheus_client import Counter  # noqa: PLC0415 - see the module

        return Counter(*args, **options)


class Histogram(Metric):
    def __init__(self, *args: Any, buckets: Sequence[float], **options: Any) -> None:
        self.buckets = buckets
        super().__init__(*args, **options)

    def observe(self, value: float, *values: str) -> None:
        if self._made is not None:
            self.series(*values).observe(value)

    def _make(self, *args: Any, **options: Any) -> Any:
        from prometheus_client import Histogram  # noqa: PLC0415 - see the module

        return Histogram(*args, **options | {"buckets": self.buckets})


class Gauge(Metric):
    """Changed by its methods, or read by `sample`: `read` returns the value, or the values by their labels."""

    def __init__(
        self,
        *args: Any,
        across: Across = "livesum",
        read: "Callable[[], float | Mapping[tuple[str, ...], float]] | None" = None,
        **options: Any,
    ) -> None:
        self.across = across
        self.read = read
        super().__init__(*args, **options)

    def set(self, value: float, *values: str) -> None:
        if self._made is not None:
            self.series(*values).set(value)

    def add(self, value: float, *values: str) -> None:
        if self._made is not None:
            self.series(*values).inc(value)

    def sample(self) -> None:
        if self.read is None:
            return
        found = self.read()
        for values, value in (found if isinstance(found, Mapping) else {(): found}).items():
            self.set(value, *values)

    def _make(self, *args: Any, **options: Any) -> Any:
        from prometheus_client import Gauge  # noqa: PLC0415 - see the module

        return Gauge(*args, **options | {"multiprocess_mode": self.across})


def enable(prefix: str, *, folder: Path | None = None) -> "CollectorRegistry":
    """Make all metrics, those of modules that are imported later too. Their names begin with `prefix`.

    With a `folder`, values are in files there, for another process to read; else in memory, and the returned registry
    shows them. Call it once in a process.
    """
    if folder is None:
        os.environ.pop(FOLDER_VARIABLE, None)
    else:
        os.environ[FOLDER_VARIABLE] = str(folder)
    from prometheus_client import CollectorRegistry, disable_created_metrics, values  # noqa: PLC0415 - see the module

    if values.ValueClass._multiprocess != (folder is not None):
        raise RuntimeError("prometheus_client was imported before metrics were enabled")
    disable_created_metrics()  # type: ignore[no-untyped-call]  # a series more for each one, which nobody reads
    _Enabled.prefix, _Enabled.registry = prefix, CollectorRegistry()
    for metric in Metric.declared:
        metric.make()
    return _Enabled.registry


def is_enabled() -> bool:
    return _Enabled.registry is not None


def sample() -> None:
    """Read all gauges that are read."""
    for metric in Metric.declared:
        if isinstance(metric, Gauge):
            metric.sample()
