"""The recorded requests and answers, from which the API document takes its examples: written, or compared with.

A file for each operation. `request` is that of the success: its path variables, query and body. `answers` has, by
status and error code (a success has none: ""), what was answered in English, and in Turkish where that is different:
the data of a success, or the reasons of an error.
"""

import json
import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from django.conf import settings

from tests.api.operations import Operation, Sent
from tests.api.replacing import Replacing

FOLDER = Path(settings.EXAMPLES_FOLDER)
RECORDS = "RECORD_EXAMPLES" in os.environ  # set by `make examples`


def recorded(operation: Operation) -> dict[str, Any]:
    """Raises FileNotFoundError for an operation that was not recorded."""
    found: dict[str, Any] = json.loads(file_of(operation).read_text(encoding="utf-8"))
    return found


def file_of(operation: Operation) -> Path:
    return FOLDER / f"{operation}.json"


def assert_recorded(operation: Operation, status: int, code: str, language: str, answer: Any) -> None:
    """Assert that the service answers as it did when it was recorded, or record it."""
    if RECORDS:
        _record(operation, answer, "answers", str(status), code, language)
    known = recorded(operation)["answers"].get(str(status), {}).get(code, {})
    assert answer == known.get(language, known.get("en")), "the service answers otherwise: run `make examples`"


def assert_request_recorded(operation: Operation, request: dict[str, Any]) -> None:
    if RECORDS:
        _record(operation, request, "request")
    assert recorded(operation)["request"] == request, "the request is another one: run `make examples`"


def request_of(operation: Operation, sent: Sent, replaced: Replacing) -> dict[str, Any]:
    """The parts of a request that its example has."""
    path, _, query = sent.path.partition("?")
    template = re.compile(re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", operation.path))
    variables = template.fullmatch(path)
    assert variables
    parts: dict[str, Any] = {"path": variables.groupdict(), "query": dict(parse_qsl(query))}
    if sent.raw and sent.content_type == "application/json":
        parts["body"] = json.loads(sent.raw)
    return {name: replaced(part) for name, part in parts.items() if part}


def answer_of(response: Any, replaced: Replacing) -> Any:
    """The data of a success, the text of a calendar, or the reasons of an error."""
    if not response.headers["Content-Type"].startswith("application/json"):
        return replaced.text(response.content.decode())
    body = response.json()
    return replaced(body["data"] if body["isSuccess"] else body["errors"][1:])


def _record(operation: Operation, value: Any, *place: str) -> None:
    file = file_of(operation)
    found = recorded(operation) if file.exists() else {"request": {}, "answers": {}}
    here = found
    for name in place[:-1]:
        here = here.setdefault(name, {})
    here[place[-1]] = value
    if place[0] == "answers" and place[-1] != "en" and here["en"] == value:
        del here[place[-1]]
    answers = {status: dict(sorted(codes.items())) for status, codes in sorted(found["answers"].items())}
    file.parent.mkdir(exist_ok=True)
    file.write_text(_written({"request": found["request"], "answers": answers}) + "\n", encoding="utf-8")


def _written(value: Any, indent: str = "") -> str:
    """JSON in which whatever fits on a line is on one."""
    line = json.dumps(value, ensure_ascii=False)
    if len(indent + line) <= 120 or not isinstance(value, (dict, list)):
        return line
    inside = indent + " "
    if isinstance(value, list):
        items, ends = [_written(item, inside) for item in value], "[]"
    else:
        items, ends = [f"{json.dumps(key)}: {_written(item, inside)}" for key, item in value.items()], "{}"
    separator = f",\n{inside}"
    return f"{ends[0]}\n{inside}{separator.join(items)}\n{indent}{ends[1]}"
