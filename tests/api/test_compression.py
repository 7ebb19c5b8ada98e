"""A walk over all operations: answers with secrets are never compressed, all others can be."""

import gzip
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.api.operations import Operation, World, assert_documented, document, operations

# Names of properties whose values let somebody in.
SECRET = re.compile(r"token|secret|password|address", re.IGNORECASE)


def properties(schema: Any) -> Iterator[str]:
    """The names of all properties of a schema and of those that it refers to."""
    if isinstance(schema, list):
        for part in schema:
            yield from properties(part)
    elif isinstance(schema, dict):
        yield from schema.get("properties", {})
        if name := schema.get("$ref", "").removeprefix("#/components/schemas/"):
            yield from properties(document()["components"]["schemas"][name])
        for part in schema.values():
            yield from properties(part)


def successes(operation: Operation) -> Iterator[dict[str, Any]]:
    for status in operation.declared["responses"]:
        if status.startswith("2"):
            yield from (content["schema"] for content in operation.response(int(status)).get("content", {}).values())


def has_secret(operation: Operation) -> bool:
    if str(operation) == "createLiveStreamMyCalendarV1":
        return True  # the secret is part of an address
    return any(SECRET.search(name) for schema in successes(operation) for name in properties(schema))


def test_the_walk_finds_secrets() -> None:
    found = {str(operation) for operation in operations() if has_secret(operation)}
    assert found >= {"loginAuthV1", "refreshAuthV1", "joinLiveStreamV1"}
    assert len(found) < len(operations()) / 2


@pytest.mark.parametrize("operation", operations(), ids=str)
def test_answers_are_compressed_unless_they_have_a_secret(
    operation: Operation, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = world.api()
    # Identity is excluded, so that an answer of any size is compressed.
    monkeypatch.setitem(plain.defaults, "HTTP_ACCEPT_ENCODING", "gzip, identity;q=0")
    monkeypatch.setattr(world, "api", lambda: plain)
    response = world.call(operation)

    assert 200 <= response.status_code < 300, response.content
    if has_secret(operation):
        assert response.headers["Cache-Control"] == "no-store, no-transform"
        assert "Content-Encoding" not in response.headers
        return
    assert "no-transform" not in response.headers.get("Cache-Control", "")
    assert response.headers["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in response.headers["Vary"]
    assert response.headers["Content-Length"] == str(len(response.content))
    response.content = gzip.decompress(response.content)
    if response.headers["Content-Type"] == "application/json":
        response.json = lambda: json.loads(response.content)
    assert_documented(response, operation)
