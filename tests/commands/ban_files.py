"""Files of bans for tests of export_bans and import_bans."""

import json
import tracemalloc
from collections.abc import Callable
from io import StringIO
from typing import Any

from django.core.management import call_command

from livestreams.models import LiveStream


def exported(*words: str) -> str:
    written = StringIO()
    call_command("export_bans", *words, stdout=written, stderr=StringIO())
    return written.getvalue()


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def line(stream: LiveStream, **values: Any) -> str:
    return json.dumps({"liveStreamId": stream.pk, **values}) + "\n"


def peak_of(function: Callable[[], object]) -> int:
    """The most memory, in bytes, that `function` had in use at any moment beyond what was in use before."""
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
