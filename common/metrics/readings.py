"""What functions of `settings.METRICS_READINGS` return, and how they read several values in one statement."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from django.contrib.contenttypes.models import ContentType
from django.db.models import QuerySet


class Reading(NamedTuple):
    """One value that is stored. Those with the same name have the same `about` and the same labels."""

    name: str
    about: str
    value: float
    labels: Mapping[str, str] = {}


def one_row(*expressions: Any) -> QuerySet[Any]:
    """The values of these expressions, for a `Question`. They are read beside a row of a table that is never empty."""
    return ContentType.objects.values_list(*expressions)[:1]


def by_label(name: str, about: str, label: str, values: Mapping[str, float | None]) -> Iterator[Reading]:
    """A reading for each of `values`, by the value of its only label. None is left out."""
    for each, value in values.items():
        if value is not None:
            yield Reading(name, about, value, {label: each})
