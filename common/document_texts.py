"""The texts of an OpenAPI document: collected for the catalogue of translations, and replaced by their translations.

A text is translated in units: a paragraph, an item of a list, or a cell of a table. The catalogue has the units, so
that a change of one paragraph leaves the translations of the others. Blocks of code are not translated.

Nothing here imports Django, because `pybabel` calls `extract`.
"""

import re
from collections.abc import Callable, Iterator
from typing import IO, Any

import yaml

type Node = Any
type Translate = Callable[[str], str]

TEXTS = {"description", "summary", "x-displayName"}
# Their values are data.
DATA = {"example", "examples", "value", "default", "enum", "const"}
# Their keys are names that the API chooses, which may be equal to a key of the format.
NAMED = {"properties", "patternProperties", "schemas", "headers", "responses", "parameters", "paths"}

FENCE = "```"
HEADING_OR_ITEM = re.compile(r"( *(?:#+|-|\d+\.) )(.*)", re.DOTALL)
# What has no words of a language: code, numbers, signs.
WITHOUT_WORDS = re.compile(r"(`[^`]*`|[^\w`]|[\d_])*")


def texts_of(document: Node) -> Iterator[str]:
    """Every text of the document."""
    for holder, key in _places(document):
        yield holder[key]


def units_of(text: str) -> Iterator[str]:
    """The units of a text, in one line each."""
    found: list[str] = []

    def collect(unit: str) -> str:
        found.append(unit)
        return unit

    _translated(text, collect)
    yield from found


def translate(document: Node, by: Translate) -> None:
    """Replace every unit of the document, in place."""
    for holder, key in list(_places(document)):
        holder[key] = _translated(holder[key], by)


def extract(file: IO[bytes], *_: Any, **__: Any) -> Iterator[tuple[int, None, str, list[str]]]:
    """The units of the document in a YAML file: an extraction method of Babel."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    document = yaml.load(file, Loader=loader)  # noqa: S506 - a safe one, in C where it is compiled
    units = (unit for text in texts_of(document) for unit in units_of(text))
    for unit in dict.fromkeys(units):
        yield 1, None, unit, []


def _places(node: Node, *, named: bool = False) -> Iterator[tuple[dict[str, Any], str]]:
    """Each text as the object that holds it and its key."""
    if isinstance(node, list):
        for item in node:
            yield from _places(item)
    if not isinstance(node, dict):
        return
    for key, value in node.items():
        if not named and key in TEXTS and isinstance(value, str):
            yield node, key
        elif named or key not in DATA:
            yield from _places(value, named=not named and key in NAMED)


def _translated(text: str, by: Translate) -> str:
    blocks, fenced = [], False
    for block in text.strip().split("\n\n"):
        # A block of code may have empty lines.
        is_code = fenced or block.startswith(FENCE)
        if is_code:
            fenced ^= block.count(FENCE) % 2 == 1
        blocks.append(block if is_code else _block(block, by))
    return "\n\n".join(blocks)


def _block(block: str, by: Translate) -> str:
    if block.startswith("|"):
        return "\n".join(_row(line, by) for line in block.split("\n"))
    parts: list[str] = []
    for line in block.split("\n"):
        if parts and not HEADING_OR_ITEM.match(line):
            parts[-1] += f" {line.strip()}"
        else:
            parts.append(line.rstrip())
    return "\n".join(_line(part, by) for part in parts)


def _line(line: str, by: Translate) -> str:
    item = HEADING_OR_ITEM.fullmatch(line)
    return item[1] + _unit(item[2], by) if item else _unit(line, by)


def _row(line: str, by: Translate) -> str:
    cells = line.strip().strip("|").split("|")
    return "|" + "|".join(f" {_unit(cell.strip(), by)} " for cell in cells) + "|"


def _unit(unit: str, by: Translate) -> str:
    return unit if WITHOUT_WORDS.fullmatch(unit) else by(unit)
