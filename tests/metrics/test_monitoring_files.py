"""The files of deploy/monitoring: every expression can be parsed, and names metrics, labels and values that exist."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from django.conf import settings

from common.metrics.declared import Metric
from tests.metrics.queries import FREE, labels_of, parsed, selected
from tests.metrics.scraping import PREFIX, busy_service, names

ROOT = Path(settings.BASE_DIR)
FOLDER = ROOT / "deploy" / "monitoring"
ALERTS = ROOT / "docs" / "alerts.md"


class Query(NamedTuple):
    """An expression, where it is, and the texts that show labels of its result."""

    where: str
    expression: str
    texts: tuple[str, ...]


def rules() -> Iterator[dict[str, Any]]:
    for group in yaml.safe_load((FOLDER / "kumanda-alerts.yaml").read_text("utf-8"))["groups"]:
        yield from group["rules"]


def dashboard() -> Any:
    return json.loads((FOLDER / "dashboard.json").read_text("utf-8"))


def queries() -> Iterator[Query]:
    for rule in rules():
        yield Query(rule["alert"], rule["expr"], (rule["annotations"]["summary"],))
    for panel in dashboard()["panels"]:
        for target in panel.get("targets", ()):
            yield Query(panel["title"], target["expr"], (target["legendFormat"],))


QUERIES = list(queries())


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.where)
def test_an_expression_can_be_parsed(query: Query) -> None:
    assert list(selected(parsed(query.expression)))


@pytest.mark.parametrize(
    "wrong", ["sum by (a rate(b[5m]))", "rate(b)", "rates(b[5m])", "b{c=d}", "sum(b) > ", "histogram_quantile(b)"]
)
def test_a_wrong_expression_is_found(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parsed(wrong)


def test_what_an_expression_uses_is_found() -> None:
    known = {"a": {"x", "y"}, "b": {"z"}}
    expr = parsed('sum by (x) (rate(a{y=~"1|2",x!="3"}[5m])) / 2 > 1')
    (only,) = selected(expr)
    assert (only.name, sorted(only.labels), list(only.wanted)) == ("a", ["x", "y"], ["y"])
    assert labels_of(expr, known) == {"x"}
    assert labels_of(parsed("topk(3, max by (z) (b))"), known) == {"z"}
    assert labels_of(parsed("b"), known) == {"z", "job", "instance"}
    with pytest.raises(AssertionError):
        labels_of(parsed("sum by (z) (a)"), known)
    with pytest.raises(KeyError):
        labels_of(parsed("c"), known)


@pytest.mark.django_db(transaction=True)
def test_every_metric_label_and_value_that_is_used_is_in_a_scrape() -> None:
    """The lag of a replica is known only where one runs, and the pool of a process once it was used."""
    with busy_service() as scrapes:
        samples = [*scrapes.server, *scrapes.worker]
    known = {"up": set(), "ALERTS": {"alertname", "alertstate"}} | names(samples)
    known |= {PREFIX + each.name: set(each.labels) for each in Metric.declared if each.name == "replica_lag_seconds"}
    problems: list[str] = []
    for where, expression, texts in QUERIES:
        expr = parsed(expression)
        try:
            shown = {label for text in texts for label in re.findall(r"\{\{ ?(?:\$labels\.)?([a-z]\w*) ?\}\}", text)}
            if not shown <= labels_of(expr, known):
                problems.append(f"{where} shows {shown - labels_of(expr, known)}, which {expression} does not have")
        except (KeyError, AssertionError) as problem:
            problems.append(f"{where}: there is no {problem}")
        for used in selected(expr):
            missing = used.labels - known.get(used.name, set()) - {"job", "instance"}
            problems += [f"{where}: {used.name} has no {label}" for label in missing]
            for label in used.wanted.keys() - FREE:
                values = {sample.labels.get(label, "") for sample in samples if sample.name == used.name}
                if not any(used.wanted[label].fullmatch(value) for value in values):
                    problems.append(f"{where}: no {used.name} has {label} {used.wanted[label].pattern}")
    assert problems == []


# --- the pages of alerts --------------------------------------------------------------------------


def sections() -> dict[str, str]:
    parts = re.split(r"(?m)^### (Kumanda\w+)\n", ALERTS.read_text("utf-8"))
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_each_alert_has_a_section_and_a_link_to_it() -> None:
    assert [rule["alert"] for rule in rules()] == list(sections())
    for rule in rules():
        assert rule["annotations"]["runbook"] == f"docs/alerts.md#{rule['alert'].lower()}"
        assert rule["labels"]["severity"] in {"critical", "warning", "info"}


@pytest.mark.parametrize("alert", [rule["alert"] for rule in rules()])
def test_a_section_says_what_the_alert_means_where_to_look_and_what_to_do(alert: str) -> None:
    parts = re.findall(r"(?m)^\*\*(Means|Look at|Do)\.\*\* \S", sections()[alert])
    assert parts == ["Means", "Look at", "Do"]


# --- the other files ------------------------------------------------------------------------------


def test_the_scrape_configuration_names_the_jobs_and_ports_of_the_documentation() -> None:
    config = yaml.safe_load((FOLDER / "prometheus.yaml").read_text("utf-8"))
    targets = {job["job_name"]: job["static_configs"][0]["targets"] for job in config["scrape_configs"]}
    assert list(targets) == ["kumanda-serve", "kumanda-worker"]
    assert [(FOLDER / name).exists() for name in config["rule_files"]] == [True]
    page = (ROOT / "docs" / "monitoring.md").read_text("utf-8")
    for (address,), variable in zip(targets.values(), ("METRICS_SERVE_ADDRESS", "METRICS_WORKER_ADDRESS"), strict=True):
        assert f"{variable}={address}" in page


def test_panels_have_places_of_their_own_and_ids() -> None:
    panels = dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert at["x"] + at["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells
