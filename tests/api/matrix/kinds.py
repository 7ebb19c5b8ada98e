"""The kinds of objects in the matrix, and rows for common cases."""

from collections.abc import Callable

from tests.api.matrix.cells import Call, Inapplicable, Row
from tests.api.matrix.world import World

OWN, ANOTHERS, OWN_DELETED, ANOTHERS_DELETED = KINDS = ("own", "another's", "own deleted", "another's deleted")

type Rows = dict[str, Row]

NO_OTHERS = Inapplicable("changes only the caller; the call cannot name another user")


def of_the_caller(row: Row) -> Rows:
    """The only object of the operation is the caller."""
    return {OWN: row} | dict.fromkeys(KINDS[1:], NO_OTHERS)


def pairs(of: Callable[[World, str, str], Call], deleted: Callable[[World, str, str], Call]) -> Rows:
    """Both functions take the caller and the owner of the object."""
    return {
        OWN: lambda world, caller: of(world, caller, caller),
        ANOTHERS: lambda world, caller: of(world, caller, world.another(caller)),
        OWN_DELETED: lambda world, caller: deleted(world, caller, caller),
        ANOTHERS_DELETED: lambda world, caller: deleted(world, caller, world.another(caller)),
    }
