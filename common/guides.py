"""Guides: pages in Markdown that the playground shows beside the operations.

A guide is a file of `settings.GUIDES` in a folder of its language; its first heading is its title. A link to another
guide (`errors.md`) opens it. The fenced block `generated` names a part that is made from the code:

    ```generated
    error-codes
    ```
"""

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from django.conf import settings
from django.utils.module_loading import import_string
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import override
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import OptionsDict

GENERATED = "generated"
TITLE = re.compile(r"# (.+)\n")


class Guide(NamedTuple):
    name: str
    title: str
    html: SafeString


@cache
def guides(language: str) -> Sequence[Guide]:
    """All guides in a language, in the order of the settings. Raises OSError if a file is missing."""
    with override(language):
        return [_guide(name, Path(settings.GUIDES["folder"]) / language / f"{name}.md") for name in _names()]


def _names() -> Sequence[str]:
    names: Sequence[str] = settings.GUIDES["names"]
    return names


def _guide(name: str, path: Path) -> Guide:
    text = path.read_text("utf-8")
    title = TITLE.match(text)
    if title is None:
        raise ValueError(f"{path} does not begin with a heading.")
    return Guide(name, title[1], mark_safe(_markdown().render(text)))  # noqa: S308 - files of this project


@cache
def _markdown() -> MarkdownIt:
    # HTML in a guide is shown as text.
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    markdown.add_render_rule("fence", _fence)
    markdown.add_render_rule("link_open", _link)
    markdown.add_render_rule("table_open", lambda *_: '<div class="table"><table>\n')
    markdown.add_render_rule("table_close", lambda *_: "</table></div>\n")
    return markdown


def _fence(
    renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: dict[str, Any]
) -> str:
    token = tokens[index]
    if token.info.strip() != GENERATED:
        return renderer.fence(tokens, index, options, env)
    # Made for each language, as the guide is.
    part: str = import_string(settings.GUIDES["generated"][token.content.strip()])()
    return part


def _link(
    renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: dict[str, Any]
) -> str:
    token = tokens[index]
    name, _, suffix = str(token.attrs["href"]).partition(".")
    if suffix == "md" and name in _names():
        token.attrs["href"] = f"#guide/{name}"
    return renderer.renderToken(tokens, index, options, env)
