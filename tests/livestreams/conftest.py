"""Joining signs tokens, so these tests too need an empty cache of join keys."""

from tests.edges.conftest import keys_of_this_test

__all__ = ["keys_of_this_test"]
