"""Every operation of the OpenAPI document × twelve callers × own, another's and deleted objects."""

import re
from collections.abc import Iterator

import pytest

from tests.api.matrix import table
from tests.api.matrix.callers import CALLERS
from tests.api.matrix.cells import INAPPLICABLE, call_for, outcome
from tests.api.matrix.cells import Inapplicable as Reason
from tests.api.matrix.kinds import KINDS
from tests.api.matrix.own_and_live import ROWS
from tests.api.matrix.world import World
from tests.api.operations import Operation, operations

# The world is in a transaction of the module; each test is a savepoint in it.
pytestmark = [pytest.mark.django_db, pytest.mark.slow]

CELL = re.compile(r"–|\d{3}( [a-z_]+)?( shown| hidden)?")
TABLE = "operations.md"
HEAD = """\
# Who may call what

Compared with the service by `test_operations.py`; how to read and change it: `docs/security.md`, "The matrix".
A cell is the status, the code of a refusal, and, where the answer is a list, whether it shows the object.
`–`: there is no such object; `rows.py` and `cells.py` say why."""


@pytest.fixture(scope="module")
def found() -> Iterator[table.Cells]:
    """Collects the cells. At the end, writes the table if requested."""
    cells: table.Cells = {}
    yield cells
    if table.is_writing():
        table.write(TABLE, cells, head=HEAD, columns=("operation", "object"))


def test_every_operation_has_its_rows_and_every_row_its_operation() -> None:
    documented = {str(operation) for operation in operations()}
    assert documented == set(ROWS)
    for rows in ROWS.values():
        assert set(KINDS) <= set(rows), "each kind of object has a row or a reason why not"


def test_the_table_has_a_line_for_each_row_and_a_column_for_each_caller() -> None:
    right = table.read(TABLE)
    assert set(right) == {(name, kind) for name, rows in ROWS.items() for kind in rows}
    assert {tuple(row) for row in right.values()} == {CALLERS}
    for row in right.values():
        assert all(CELL.fullmatch(cell) for cell in row.values()), "a fault is never expected"


def test_a_cell_is_inapplicable_only_with_a_reason(built: World) -> None:
    for (name, kind), row in table.read(TABLE).items():
        for caller, cell in row.items():
            reason = call_for(ROWS[name][kind], built, caller)
            assert (cell == INAPPLICABLE) is (isinstance(reason, Reason) and bool(reason.reason)), (name, kind, caller)


@pytest.mark.parametrize("operation", operations(), ids=str)
def test_each_caller_is_answered_as_in_the_table(operation: Operation, built: World, found: table.Cells) -> None:
    name = str(operation)
    asked: table.Cells = {
        (name, kind): {caller: outcome(operation, row, built, caller) for caller in CALLERS}
        for kind, row in ROWS[name].items()
    }
    found |= asked
    if not table.is_writing():
        right = {key: row for key, row in table.read(TABLE).items() if key[0] == name}
        assert not (wrong := table.differences(right, asked)), "\n".join(wrong)
