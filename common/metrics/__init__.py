"""Metrics for Prometheus: what modules declare, how processes of one server share it, and the port that shows it.

A module declares its metrics (`declared.py`) and changes them where something happens. Without an address in the
settings all of this does nothing. `serve` reads the files of all its processes (`shared.py`) and the values that are
stored in the database (`stored.py`); a worker shows its own. See docs/decisions/0050-metrics.md.
"""

from common.metrics.declared import Counter, Gauge, Histogram

__all__ = ["Counter", "Gauge", "Histogram"]
