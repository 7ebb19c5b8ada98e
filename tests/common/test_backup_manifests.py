"""The manifest of a backup: each field has a rule, and the refusal names both."""

import json
from pathlib import Path
from typing import Any

import pytest

from common.backup import Refused
from common.backup.manifest import RULES, read

FACTS: dict[str, Any] = {
    "format": 1,
    "version": "1.2.3",
    "commit": "",
    "made_at": "2026-11-28T01:30:00+00:00",
    "database": "name",
    "server_version": "18.6",
    "program_version": "18.6",
    "database_bytes": 1,
    "migrations": ["common.0001_initial"],
    "rows": {"common_auditentry": 3},
    "seals": 0,
    "newest_seal": "",
    "secret_key": "0a",
    "pictures": 0,
    "archives": 0,
    "missing": [],
    "missing_count": 0,
    "files": 2,
    "files_bytes": 1,
}


def read_from(folder: Path, facts: Any) -> Any:
    (folder / "manifest.json").write_text(json.dumps(facts), encoding="utf-8")
    return read(folder)


def test_the_fields_are_read(tmp_path: Path) -> None:
    manifest = read_from(tmp_path, FACTS)

    assert json.loads(manifest.as_json()) == FACTS
    assert FACTS.keys() == RULES.keys()


WRONG: list[Any] = [[1], {"a": -1}, 1.5, "", -1, True]
# For two fields the empty text is right. True equals 1.
CASES = [(field, value) for field in FACTS for value in WRONG if value is True or value != FACTS[field]]


@pytest.mark.parametrize(("field", "value"), CASES, ids=str)
def test_each_field_has_a_rule(field: str, value: Any, tmp_path: Path) -> None:
    with pytest.raises(Refused) as refused:
        read_from(tmp_path, FACTS | {field: value})
    assert str(refused.value) == f"{field}: {RULES[field][1]}"


@pytest.mark.parametrize("field", FACTS)
def test_each_field_is_required(field: str, tmp_path: Path) -> None:
    with pytest.raises(Refused, match=rf"^{field}: "):
        read_from(tmp_path, {name: value for name, value in FACTS.items() if name != field})


def test_a_field_of_nobody_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"^colour: is no field of manifest\.json$"):
        read_from(tmp_path, FACTS | {"colour": "red"})


def test_a_newer_format_is_refused_whatever_else_it_has(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"^format: must be at most 1, which this version knows; it is 2$"):
        read_from(tmp_path, {"format": 2, "colour": "red"})


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff"])
def test_what_is_no_object_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_bytes(content)
    with pytest.raises(Refused, match=r"^manifest\.json: must be "):
        read(tmp_path)
