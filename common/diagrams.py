"""State diagrams as SVG, drawn in columns from left to right. The style sheet of the page has colours and fonts."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from statistics import mean
from typing import NamedTuple

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

START = ""  # the name of the state before the first move
# In units of the SVG, which are pixels unless the page scales it.
HEIGHT, GAP_Y, MARGIN, DOT, CURVE = 46, 34, 12, 16, 70
LETTER, LINE = 7.6, 18


class Move(NamedTuple):
    source: str
    target: str
    label: str


class State(NamedTuple):
    label: str
    code: str


class Place(NamedTuple):
    x: int
    y: int  # of its middle
    width: int


def columns_of(moves: Sequence[Move]) -> list[list[str]]:
    """The states in columns: START, those that one move reaches, those that two moves reach, and so on."""
    columns, seen = [[START]], {START}
    while columns[-1]:
        reached = [move.target for move in moves if move.source in columns[-1] and move.target not in seen]
        columns.append(list(dict.fromkeys(reached)))
        seen.update(reached)
    return columns[:-1]


def state_diagram(moves: Sequence[Move], states: Mapping[str, State], *, title: str) -> SafeString:
    """An SVG of the moves. `states` has a label and a code of each state but START."""
    columns = columns_of(moves)
    places = _places(columns, moves, states)
    column_of = {state: number for number, column in enumerate(columns) for state in column}
    words: dict[str, list[str]] = defaultdict(list)  # of the arrows from other columns, by their target
    arrows = []
    for move in dict.fromkeys(moves):
        source, target = places[move.source], places[move.target]
        if column_of[move.source] == column_of[move.target]:
            is_pair = any((other.source, other.target) == (move.target, move.source) for other in moves)
            arrows.append(_upright(source, target, move.label, is_pair=is_pair))
        else:
            label_width = _label_width(moves, columns[column_of[move.target]])
            arrows.append(_sideways(source, target, label_width))
            words[move.target] += [move.label] if move.label not in words[move.target] else []
    labels = (_label(text, places[target], line) for target, texts in words.items() for line, text in enumerate(texts))
    width = max(place.x + place.width for place in places.values()) + MARGIN
    height = max(place.y for place in places.values()) + HEIGHT // 2 + MARGIN
    return format_html(
        '<div class="diagram"><svg viewBox="0 0 {} {}" role="img" aria-label="{}">'
        '<defs><marker id="arrow" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" '
        'orient="auto-start-reverse"><path d="M0 0 8 4 0 8z"/></marker></defs>{}{}{}</svg></div>',
        *(width, height, title, _joined(arrows), _joined(labels)),
        _joined(_box(states[name], place) if name else _dot(place) for name, place in places.items()),
    )


def _joined(parts: Sequence[SafeString] | Iterator[SafeString]) -> SafeString:
    return format_html_join("", "{}", ((part,) for part in parts))


def _places(columns: list[list[str]], moves: Sequence[Move], states: Mapping[str, State]) -> dict[str, Place]:
    width = round(max(len(text) for state in states.values() for text in state) * LETTER) + MARGIN
    heights = _heights(columns, moves)
    places: dict[str, Place] = {}
    x = MARGIN
    for number, column in enumerate(columns):
        if number:
            x += CURVE + _label_width(moves, column)
        own = DOT if column == [START] else width
        places |= {state: Place(x, heights[state], own) for state in column}
        x += own
    return places


def _heights(columns: list[list[str]], moves: Sequence[Move]) -> dict[str, int]:
    """The tallest column is spread evenly; any other is around the middle of the states that it is linked with."""
    tallest = max(range(len(columns)), key=lambda number: len(columns[number]))
    heights = {state: MARGIN + HEIGHT // 2 + row * (HEIGHT + GAP_Y) for row, state in enumerate(columns[tallest])}
    links = {frozenset((move.source, move.target)) for move in moves}
    step = HEIGHT + 2 * GAP_Y
    # From the tallest column outwards to the right, and then to the left.
    for near, number in (*pairwise(range(tallest, len(columns))), *pairwise(range(tallest, -1, -1))):
        linked = [heights[end] for end in columns[near] for state in columns[number] if {state, end} in links]
        top = round(mean(linked)) - (len(columns[number]) - 1) * step // 2
        heights |= {state: top + row * step for row, state in enumerate(columns[number])}
    return heights


def _label_width(moves: Sequence[Move], column: list[str]) -> int:
    """The width of the longest label of an arrow that leads to a column from another one."""
    longest = max(len(move.label) for move in moves if move.target in column and move.source not in column)
    return round(longest * LETTER) + MARGIN


def _dot(place: Place) -> SafeString:
    return format_html('<circle class="start" cx="{}" cy="{}" r="{}"/>', place.x + DOT // 2, place.y, DOT // 2)


def _box(state: State, place: Place) -> SafeString:
    middle = place.x + place.width // 2
    return format_html(
        '<g class="state"><rect x="{}" y="{}" width="{}" height="{}" rx="8"/>'
        '<text x="{}" y="{}">{}</text><text class="code" x="{}" y="{}">{}</text></g>',
        *(place.x, place.y - HEIGHT // 2, place.width, HEIGHT),
        *(middle, place.y - 4, state.label, middle, place.y + 14, state.code),
    )


def _sideways(source: Place, target: Place, label_width: int) -> SafeString:
    """An arrow to another column. Its last part is straight, under the label."""
    start, end = source.x + source.width, target.x - label_width
    middle = (start + end) // 2
    return format_html(
        '<path class="move" d="M{} {}C{} {} {} {} {} {}H{}" marker-end="url(#arrow)"/>',
        *(start, source.y, middle, source.y, middle, target.y, end, target.y, target.x),
    )


def _upright(source: Place, target: Place, label: str, *, is_pair: bool) -> SafeString:
    """An arrow between states of one column. Of two that lead back and forth, each has its side."""
    is_down = target.y > source.y
    side = (1 if is_down else -1) if is_pair else 0
    x = source.x + source.width // 2 + side * MARGIN
    sign = 1 if is_down else -1
    return format_html(
        '<path class="move" d="M{} {}V{}" marker-end="url(#arrow)"/><text class="label {}" x="{}" y="{}">{}</text>',
        *(x, source.y + sign * HEIGHT // 2, target.y - sign * HEIGHT // 2),
        *("before" if side < 0 else "after", x + (-6 if side < 0 else 6), (source.y + target.y) // 2 + 4, label),
    )


def _label(text: str, target: Place, line: int) -> SafeString:
    return format_html(
        '<text class="label before" x="{}" y="{}">{}</text>',
        target.x - MARGIN,
        target.y - 7 - line * LINE,
        text,
    )
