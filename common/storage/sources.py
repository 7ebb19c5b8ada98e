"""Which rows name stored files. An app declares this in its `stored_files.py`, and `settings.STORED_FILES` names it."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, NamedTuple, Protocol

from django.db import models

from common.hooks import Hook
from common.pages import in_pages

ROWS = 1_000  # that one statement reads


class NamedFile(NamedTuple):
    """A file that a row names. `changed` is the Unix time of the last change of the row."""

    name: str
    kind: str
    row_id: str
    changed: float


def _no_names(missing: Sequence[NamedFile]) -> Mapping[str, Sequence[str]]:
    return {}


@dataclass(frozen=True)
class Source:
    """`folder` ends in a slash; only this source stores files in it.

    `names_before` returns the names that a file may still have because the job that renames it has not run: by the
    name that the row has, the latest first.
    """

    folder: str
    named: Callable[[], Iterator[NamedFile]]
    names_before: Callable[[Sequence[NamedFile]], Mapping[str, Sequence[str]]] = _no_names


class Sources(Protocol):
    """Returns the sources of an app."""

    def __call__(self) -> Iterable[Source]: ...


STORED_FILES: Hook[Sources] = Hook("STORED_FILES", Sources)


def sources() -> list[Source]:
    return [source for declared in STORED_FILES.functions().values() for source in declared()]


def pages_of(rows: models.QuerySet[Any], *fields: str) -> Iterator[tuple[Any, ...]]:
    """The fields of the rows, after their keys, in the order of the keys; `ROWS` in a statement."""
    return in_pages(rows.values_list("pk", *fields), size=ROWS, key=itemgetter(0))
