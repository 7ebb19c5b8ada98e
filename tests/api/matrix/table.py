"""The tables in the repository: Markdown, one line for each row, one column for each caller."""

import difflib
import os
import sys
from collections.abc import Mapping
from pathlib import Path

HERE = Path(__file__).parent
WRITE = "MATRIX_WRITE"  # set by `python -m tests.api.matrix --write`

type Key = tuple[str, str]
# By operation, object and caller: the text of the cell.
type Cells = dict[Key, dict[str, str]]


def is_writing() -> bool:
    return bool(os.environ.get(WRITE))


def read(name: str) -> Cells:
    """The cells of a table; none when there is no such file. Raises ValueError for a duplicate row."""
    path = HERE / name
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    rows = [[part.strip() for part in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    if not rows:
        return {}
    callers = rows[0][2:]
    cells: Cells = {}
    for first, second, *row in rows[2:]:
        if (first, second) in cells:
            raise ValueError(f"{name}: {first}, {second} is there twice")
        cells[first, second] = dict(zip(callers, row, strict=True))
    return cells


def write(name: str, cells: Cells, *, head: str, columns: Key) -> None:
    """Replace the table, and print the difference for review."""
    path = HERE / name
    old = path.read_text(encoding="utf-8") if path.exists() else ""
    new = f"{head}\n\n{_markdown(cells, columns)}\n"
    path.write_text(new, encoding="utf-8")
    diff = difflib.unified_diff(old.splitlines(), new.splitlines(), f"{name} as it was", name, n=0, lineterm="")
    sys.stdout.write("\n".join(diff) + "\n")


def _markdown(cells: Cells, columns: Key) -> str:
    callers = list(next(iter(cells.values())))
    # Sorted by operation; the objects keep their order.
    ordered = sorted(cells.items(), key=lambda item: item[0][0])
    rows = [[*columns, *callers], *([*key, *row.values()] for key, row in ordered)]
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    rows.insert(1, ["-" * width for width in widths])
    return "\n".join(
        "| " + " | ".join(part.ljust(width) for part, width in zip(row, widths, strict=True)) + " |" for row in rows
    )


def differences(right: Mapping[Key, Mapping[str, str]], found: Mapping[Key, Mapping[str, str]]) -> list[str]:
    """A readable line for each cell, row or column that differs."""
    lines = []
    for key in sorted({*right, *found}):
        what = ", ".join(key)
        if key not in found:
            lines.append(f"{what}: a line of the table without a call")
        elif key not in right:
            lines.append(f"{what}: has no line in the table")
        else:
            lines += [
                f"{what}, {caller}: is {found[key].get(caller, 'not asked')!r}, must be {right[key].get(caller)!r}"
                for caller in {**right[key], **found[key]}
                if right[key].get(caller) != found[key].get(caller)
            ]
    return lines
