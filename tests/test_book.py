"""The operator's book: docs/operations.md leads to every page for operators, and its tables name what exists."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from django.conf import settings
from django.db.migrations.loader import MigrationLoader

from tests.doctor.test_codes import described
from tests.glossary import files

ROOT = Path(settings.BASE_DIR)
DOCS = ROOT / "docs"
APPS = ("accounts", "bans", "common", "config", "edges", "livestreams", "reminders")
# The first page itself, and pages for developers and authors of clients, to which README.md leads.
NOT_FOR_OPERATORS = {"architecture.md", "clients.md", "operations.md"}
LONGEST = 400  # lines of a page


def page(name: str) -> str:
    return (DOCS / name).read_text("utf-8")


def code() -> str:
    """The source of all apps. Parts of a text that are on several lines are joined."""
    paths = [path for path in files() if path.suffix == ".py" and path.relative_to(ROOT).parts[0] in APPS]
    return re.sub(r'"\s*\n\s*f?"', "", "\n".join(path.read_text("utf-8") for path in paths))


def rows() -> Iterator[list[str]]:
    """The cells of each fault of docs/symptoms.md: symptom, log, alert, finding of doctor, remedy."""
    for line in page("symptoms.md").splitlines():
        if line.startswith("| ") and not line.startswith(("| what ", "|---")):
            yield [cell.strip() for cell in line.strip("|").split(" | ")]


def named(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def test_the_first_page_leads_to_every_page_for_operators() -> None:
    linked = set(re.findall(r"\]\(([\w.-]+\.md)", page("operations.md")))
    assert {path.name for path in DOCS.glob("*.md")} - NOT_FOR_OPERATORS - linked == set()


@pytest.mark.parametrize("name", sorted(path.name for path in DOCS.glob("*.md")))
def test_a_page_is_short(name: str) -> None:
    assert len(page(name).splitlines()) <= LONGEST


def test_each_fault_has_all_columns_and_a_remedy() -> None:
    found = list(rows())
    assert len(found) > 30
    assert [row for row in found if len(row) != 5 or not row[0] or not row[4]] == []


def test_each_alert_is_in_a_row_of_the_symptoms_and_exists() -> None:
    rules = yaml.safe_load((ROOT / "deploy" / "monitoring" / "kumanda-alerts.yaml").read_text("utf-8"))
    alerts = {rule["alert"] for group in rules["groups"] for rule in group["rules"]}
    assert {name for row in rows() for name in named(row[2])} == alerts


def test_the_findings_of_doctor_in_the_symptoms_exist() -> None:
    findings = {name for row in rows() for name in named(row[3]) if not name.startswith("--")}
    assert len(findings) > 25
    assert findings - set(described()) == set()


def test_the_codes_of_errors_in_the_symptoms_exist() -> None:
    source = code()
    codes = {name for row in rows() for name in re.findall(r"(?:[45]\d\d|or) `([a-z_]+)`", row[0])}
    assert len(codes) > 8
    assert [name for name in sorted(codes) if f'"{name}"' not in source] == []


def test_the_lines_of_the_log_in_the_symptoms_are_logged() -> None:
    """A line has `…` where the code has a placeholder or a value."""
    source = code()
    missing = [
        text
        for row in rows()
        for name in named(row[1])
        if " " in name
        for text in [part.strip(" .") for part in name.split("…")]
        if text and text not in source and text.removeprefix("readiness: ") not in source
    ]
    assert missing == []


def test_the_page_of_upgrades_names_the_migrations_that_cannot_go_back() -> None:
    loader = MigrationLoader(None)
    final = {
        f"{app}.{name}"
        for (app, name), migration in loader.disk_migrations.items()
        if app in APPS and not all(operation.reversible for operation in migration.operations)
    }
    rolling_back = page("upgrading.md").partition("\n## Rolling back\n")[2]
    assert set(re.findall(r"(?m)^\| `(\w+\.\d{4}_\w+)` \| no", rolling_back)) == final
