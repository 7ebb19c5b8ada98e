"""Rules of a Hypothesis state machine of which some are chosen more often than others."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule


def step(weight: int = 1, **drawn: st.SearchStrategy[Any]) -> Callable[[Callable[..., None]], Any]:
    """A rule that a `weighted` machine chooses `weight` times as often as one of weight 1."""

    def declare(function: Callable[..., None]) -> Any:
        declared: Any = rule(**drawn)(function)  # type: ignore[call-overload] # no rule is named `target`
        declared.copies = [_copied(function, f"{function.__name__}_{copy}", drawn) for copy in range(2, weight + 1)]
        return declared

    return declare


def _copied(function: Callable[..., None], name: str, drawn: dict[str, st.SearchStrategy[Any]]) -> Any:
    @wraps(function)
    def copy(self: RuleBasedStateMachine, **given: Any) -> None:
        function(self, **given)

    copy.__name__ = name
    return rule(**drawn)(copy)  # type: ignore[call-overload]


def weighted[Machine: RuleBasedStateMachine](machine: type[Machine]) -> type[Machine]:
    """Add a heavier rule several times: Hypothesis has no weights and chooses among the rules evenly.

    Hypothesis disables some rules in each example, by name (swarm testing). Copies have different names, so that an
    important rule is rarely disabled.
    """
    for function in list(vars(machine).values()):
        for copy in getattr(function, "copies", ()):
            setattr(machine, copy.__name__, copy)
    return machine
