"""Bans by hour as a drawing of bars, one on top of the other: an SVG without styles, which the style sheet colours.

The drawing is stretched to the width of the page, so it has no text. Labels are HTML beside it.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.utils import timezone

from bans.overview import MOST_COUNTED
from config.front_page.words import Amount, up_to

WIDTH, HEIGHT = 10, 100  # of the place of one bar, and of the drawing
GAP = 3
LABELLED = 6  # each sixth hour has a label
SCALES = (4, 10, 20, 50, 100, 200, 500, 1_000, 2_000)


class Bar(NamedTuple):
    """The bans of one hour. `x`, `y` and heights are those of the drawing, in which y grows downwards."""

    hour: str
    blocks: Amount
    silences: Amount
    x: float
    blocks_y: float
    blocks_height: float
    silences_y: float
    silences_height: float


def chart(blocks: Sequence[int], silences: Sequence[int], hour: datetime) -> dict[str, Any]:
    """Bars, oldest first; the last one is for the hour that begins at `hour` and is not over."""
    tallest = max(map(sum, zip(blocks, silences, strict=True)))
    scale = next((each for each in SCALES if each >= tallest), SCALES[-1] + 2)
    bars = []
    for number, (block, silence) in enumerate(zip(blocks, silences, strict=True)):
        begin = timezone.localtime(hour - (len(blocks) - 1 - number) * timedelta(hours=1))
        block_height, silence_height = (round(HEIGHT * each / scale, 2) for each in (block, silence))
        bars.append(
            Bar(
                hour=f"{begin:%H:%M}",
                blocks=up_to(MOST_COUNTED, block),
                silences=up_to(MOST_COUNTED, silence),
                x=number * WIDTH + GAP / 2,
                blocks_y=round(HEIGHT - block_height, 2),
                blocks_height=block_height,
                silences_y=round(HEIGHT - block_height - silence_height, 2),
                silences_height=silence_height,
            )
        )
    return {
        "bars": bars,
        "width": WIDTH * len(bars),
        "height": HEIGHT,
        "bar_width": WIDTH - GAP,
        "ticks": [Amount(scale), Amount(scale // 2), Amount(0)],
        "labels": [bar.hour for bar in bars[::LABELLED]],
        "blocks": _sum(blocks),
        "silences": _sum(silences),
    }


def _sum(numbers: Sequence[int]) -> Amount:
    return Amount(sum(min(each, MOST_COUNTED) for each in numbers), any(each > MOST_COUNTED for each in numbers))
