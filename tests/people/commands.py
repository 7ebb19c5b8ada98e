"""Runs the actions `export` and `erase` of the command `people`."""

import json
from io import StringIO
from typing import Any

from django.core.management import CommandError, call_command

from accounts.models import User


def export(person: User) -> dict[str, Any]:
    output, errors = StringIO(), StringIO()
    call_command("people", "export", person.pk, stdout=output, stderr=errors)
    exported: dict[str, Any] = json.loads(output.getvalue())
    return exported


def erase(person: User, *words: str) -> dict[str, Any]:
    output = StringIO()
    call_command("people", "erase", person.pk, "--yes", "--json", *words, stdout=output)
    facts: dict[str, Any] = json.loads(output.getvalue())
    return facts


def refused(*words: str) -> tuple[int, str]:
    """The exit code and the message."""
    try:
        call_command("people", *words, stdout=StringIO())
    except CommandError as error:
        return error.returncode, str(error)
    raise AssertionError(f"{words} was not refused")
