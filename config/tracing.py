"""Traces: exported if the address of a collector is set, in the variables that OpenTelemetry defines."""

from importlib.metadata import PackageNotFoundError, version
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

from config.environment import env

# The SDK reads these and its other variables (OTEL_…) itself.
_ADDRESSES = {
    "OTEL_EXPORTER_OTLP_ENDPOINT": env.str("OTEL_EXPORTER_OTLP_ENDPOINT", default=""),
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": env.str("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", default=""),
}


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


for _name, _address in _ADDRESSES.items():
    if _address and not _is_address(_address):
        raise ImproperlyConfigured(f"{_name} must be an http or https address, such as http://localhost:4318.")
TRACES = any(_ADDRESSES.values())
if TRACES:
    try:
        version("opentelemetry-exporter-otlp-proto-http")
    except PackageNotFoundError:
        raise ImproperlyConfigured(
            "OTEL_EXPORTER_OTLP_ENDPOINT is set: install what exports traces, "
            "pip install --require-hashes -r requirements/traces.lock"
        ) from None
TRACES_SERVICE_NAME = env.str("OTEL_SERVICE_NAME", default="kumanda")
