"""Where metrics are shown to Prometheus. Checked when a process starts."""

from django.core.exceptions import ImproperlyConfigured

from common.metrics.addresses import Address
from config.environment import env

METRICS_PREFIX = "kumanda"
# What is read from the database: see common/metrics/stored.py.
METRICS_READINGS = {
    "jobs": "common.jobs.metrics.read",
    "streams": "edges.metrics.read",
    "bans": "bans.metrics.read",
    "reminders": "reminders.metrics.read",
}


def checked_address(name: str, written: str) -> Address | None:
    """The address that the variable `name` has, None for off. Raises ImproperlyConfigured."""
    if not written:
        return None
    try:
        address = Address.read(written)
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} must be a port or address:port, as 127.0.0.1:9464: {error}.") from error
    if not address.is_loopback and not env.str("OPERATIONS_TOKEN", default=""):
        raise ImproperlyConfigured(f"{name} is an address that other machines reach: set OPERATIONS_TOKEN too.")
    return address


METRICS_SERVE_ADDRESS = checked_address("METRICS_SERVE_ADDRESS", env.str("METRICS_SERVE_ADDRESS", default=""))
METRICS_WORKER_ADDRESS = checked_address("METRICS_WORKER_ADDRESS", env.str("METRICS_WORKER_ADDRESS", default=""))
