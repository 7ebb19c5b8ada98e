"""What expressions of PromQL use: metrics, labels and values."""

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import promql_parser as promql

# Prometheus adds these to every series of a target.
OF_TARGETS = {"job", "instance"}
KEEPS_LABELS = {"topk", "bottomk"}
# Values that the traffic decides.
FREE = OF_TARGETS | {"status", "route", "method", "le"}


class Selected(NamedTuple):
    """A metric, and what its labels are compared with: `=` and `=~` as patterns of whole values."""

    name: str
    labels: frozenset[str]
    wanted: Mapping[str, "re.Pattern[str]"]


def parsed(expression: str) -> promql.Expr:
    """With values for the variables of Grafana. Raises ValueError, also for wrong functions and types."""
    return promql.parse(expression.replace("$__rate_interval", "5m").replace("$instance", ".*"))


def selected(expr: promql.Expr) -> Iterator[Selected]:
    found: list[promql.VectorSelector] = []

    def note(node: promql.Expr) -> None:
        if isinstance(node, promql.VectorSelector):
            found.append(node)

    promql.walk(expr, note)
    for selector in found:
        matchers = selector.matchers.matchers
        wanted = {
            each.name: re.compile(each.value if each.op == promql.MatchOp.Re else re.escape(each.value))
            for each in matchers
            if each.op == promql.MatchOp.Re or each.op == promql.MatchOp.Equal  # noqa: PLR1714 - not hashable
        }
        assert selector.name is not None, f"{selector} names no metric"
        yield Selected(selector.name, frozenset(each.name for each in matchers), wanted)


def labels_of(expr: promql.Expr, known: Mapping[str, set[str]]) -> set[str]:
    """The labels of the result; `known` are those of each metric.

    Raises KeyError for an unknown metric, and AssertionError for a label that what is aggregated does not have.
    """
    match expr:
        case promql.VectorSelector():
            return known[str(expr.name)] | OF_TARGETS
        case promql.MatrixSelector():
            return labels_of(expr.vector_selector, known)
        case promql.AggregateExpr():
            inside = labels_of(expr.expr, known)
            if str(expr.op) in KEEPS_LABELS:
                return inside
            grouped = set() if expr.modifier is None else set(expr.modifier.labels)
            assert grouped <= inside, f"{expr}: {grouped - inside}"
            return grouped
        case promql.BinaryExpr():
            left, right = labels_of(expr.lhs, known), labels_of(expr.rhs, known)
            return left or right
        case promql.Call():
            return {label for each in expr.args for label in labels_of(each, known)}
        case promql.ParenExpr() | promql.UnaryExpr() | promql.SubqueryExpr():
            return labels_of(expr.expr, known)
        case _:
            return set()
