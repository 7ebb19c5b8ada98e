"""Sorting and joining more records than fit into memory: sorted runs in temporary files, which are merged.

A record is a list of JSON values whose first one is a name. Names are compared by their code points, on both sides.
"""

import heapq
import json
import tempfile
import weakref
from collections.abc import Iterable, Iterator
from itertools import batched
from typing import Any

type Record = list[Any]

RUN = 50_000  # records that are sorted in memory


class Spool:
    """Records in a temporary file, which ends by `close` or with this object. They can be read again and again."""

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self._file = tempfile.TemporaryFile("w+", encoding="ascii")  # noqa: SIM115 - see close
        self.close = weakref.finalize(self, self._file.close)
        self.count = 0
        for record in records:
            self.add(record)

    def add(self, record: Record) -> None:
        # JSON writes what is not ASCII as escapes, also names of files that are not valid UTF-8.
        self._file.write(json.dumps(record) + "\n")
        self.count += 1

    def __iter__(self) -> Iterator[Record]:
        self._file.flush()
        self._file.seek(0)
        for line in self._file:
            yield json.loads(line)


class Sorted:
    """Records in the order of their names. All of `records` have been read when this is made."""

    def __init__(self, records: Iterable[Record]) -> None:
        self._runs = [Spool(sorted(run)) for run in batched(records, RUN)]
        self.count = sum(run.count for run in self._runs)

    def __iter__(self) -> Iterator[Record]:
        return heapq.merge(*self._runs)

    def close(self) -> None:
        for run in self._runs:
            run.close()


def joined(left: Iterable[Record], right: Iterable[Record]) -> Iterator[tuple[Record | None, Record | None]]:
    """The records of one side only, each with None for the other side. Both are in the order of their names."""
    lefts, rights = iter(left), iter(right)
    one, other = next(lefts, None), next(rights, None)
    while one is not None or other is not None:
        if other is None or (one is not None and one[0] < other[0]):
            yield one, None
            one = next(lefts, None)
        elif one is None or other[0] < one[0]:
            yield None, other
            other = next(rights, None)
        else:
            name = one[0]
            while one is not None and one[0] == name:
                one = next(lefts, None)
            while other is not None and other[0] == name:
                other = next(rights, None)
