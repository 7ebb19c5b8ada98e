"""What functions of `settings.METRICS_READINGS` return."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple


class Reading(NamedTuple):
    """One value that is stored. Those with the same name have the same `about` and the same labels."""

    name: str
    about: str
    value: float
    labels: Mapping[str, str] = {}


def by_label(name: str, about: str, label: str, values: Mapping[str, float | None]) -> Iterator[Reading]:
    """A reading for each of `values`, by the value of its only label. None is left out."""
    for each, value in values.items():
        if value is not None:
            yield Reading(name, about, value, {label: each})
