"""Traces: exported if the address of a collector is set, in the variables that OpenTelemetry defines."""

from importlib.util import find_spec
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

from config.environment import env

# The SDK reads these and its other variables (OTEL_…) itself.
ADDRESSES = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")

TRACES = False
for _name in ADDRESSES:
    if _address := env.str(_name, default=""):
        try:
            _parts = urlsplit(_address)
            _is_address = _parts.scheme in {"http", "https"} and bool(_parts.hostname) and _parts.port != 0
        except ValueError:
            _is_address = False
        if not _is_address:
            raise ImproperlyConfigured(f"{_name} must be an http or https address, such as http://localhost:4318.")
        TRACES = True
if TRACES and find_spec("opentelemetry.exporter") is None:
    raise ImproperlyConfigured(
        f"{ADDRESSES[1]} is set: install what exports traces, pip install --require-hashes -r requirements/traces.lock"
    )
TRACES_SERVICE_NAME = env.str("OTEL_SERVICE_NAME", default="kumanda")
