"""A guest accepts by joining, too, so the tests of guests need keys that no other test has made."""

from tests.edges.conftest import keys_of_this_test

__all__ = ["keys_of_this_test"]
