"""URLs of the admin, and the texts of its pages."""

import html
import re
from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.contrib.messages import get_messages
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import URLPattern, URLResolver, reverse

VARIABLE = re.compile(r"<\w+:(\w+)>")


def routes() -> Iterator[tuple[str, str]]:
    """Route and name of each page of the admin, as its URL configuration has them. Routes have `VARIABLE` parts."""

    def walk(patterns: list[Any], before: str) -> Iterator[tuple[str, str]]:
        for one in patterns:
            if isinstance(one, URLResolver):
                yield from walk(one.url_patterns, before + str(one.pattern))
            elif isinstance(one, URLPattern) and one.name:
                yield before + str(one.pattern), one.name

    yield from walk(admin.site.urls[0], "")


def list_url(model: type[Model]) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def page_url(row: Model, part: str = "change") -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_{part}", args=[row.pk])


def action_url(row: Model, action: str) -> str:
    return f"{list_url(type(row))}{row.pk}/{action}/"


def statements_of(client: Client, address: str, query: dict[str, str] | None = None, *, most: int = 15) -> int:
    """The number of statements of a page, which are at most `most`.

    The page is opened once before, which fills caches of the process, such as content types.
    """
    client.get(address, query)
    with CaptureQueriesContext(connection) as seen:
        assert client.get(address, query).status_code == 200
    assert len(seen) <= most, "\n".join(each["sql"] for each in seen)
    return len(seen)


def change_many(client: Client, action: str, rows: list[Any], /, **more: str) -> Any:
    chosen = {"action": action, "_selected_action": [row.pk for row in rows]}
    return client.post(list_url(type(rows[0])), chosen | more)


def messages_of(response: Any) -> list[str]:
    return [str(message) for message in get_messages(response.wsgi_request)]


def text_of(response: Any) -> str:
    """The visible text of the page."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", response.content.decode())).split())
