"""A thousand bans in one call and their undo, as in a raid. No peer has such an endpoint."""

import http.client
import json
import random
import statistics
from collections import Counter
from time import perf_counter
from typing import Any

from benchmarks.stacks import START_TIMEOUT, Running
from benchmarks.world import Stream, World

TARGETS = 1000
CALLS = 5  # each on another stream


def report_of(world: World, server: Running) -> str:
    """Medians of CALLS calls, in seconds, as a Markdown table. Raises ValueError when a call changed too few rows."""
    chance = random.Random(1000)
    everybody = sorted({ban.target.id for ban in world.bans})
    bans_of = Counter(ban.stream.id for ban in world.bans)
    quietest = sorted(world.having("scheduled"), key=lambda stream: bans_of[stream.id])[:CALLS]
    calls = [_banned_and_undone(server, stream, chance.sample(everybody, TARGETS)) for stream in quietest]
    banning, repeating, undoing = (statistics.median(seconds) for seconds in zip(*calls, strict=True))
    return "\n".join(
        [
            f"| {TARGETS:,} people in one call | seconds, median of {CALLS} |",
            "| --- | ---: |",
            f"| banned | {banning:.2f} |",
            f"| the same call again, which changes nothing | {repeating:.2f} |",
            f"| undone | {undoing:.2f} |",
        ]
    )


def _banned_and_undone(server: Running, stream: Stream, targets: list[str]) -> tuple[float, float, float]:
    sent = {"liveStreamId": stream.id, "targets": targets, "reason": "raid"}
    banning, made = _timed(server, stream, "POST", "/api/v1/live-stream-ban/bulk", sent)
    repeating, again = _timed(server, stream, "POST", "/api/v1/live-stream-ban/bulk", sent)
    undoing, _ = _timed(server, stream, "DELETE", f"/api/v1/live-stream-ban/bulk/{made['batchId']}")
    # A few may be banned there already, or be its guest.
    if made["banned"] < TARGETS * 0.99 or again["banned"]:
        raise ValueError(f"banned {made['banned']}, and {again['banned']} when repeated")
    return banning, repeating, undoing


def _timed(server: Running, stream: Stream, method: str, path: str, sent: Any = None) -> tuple[float, dict[str, Any]]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=START_TIMEOUT)
    headers = {"Authorization": f"Bearer {stream.creator.token}", "Content-Type": "application/json"}
    try:
        began = perf_counter()
        connection.request(method, path, None if sent is None else json.dumps(sent), headers)
        answer = connection.getresponse()
        body = answer.read()
        seconds = perf_counter() - began
    finally:
        connection.close()
    if answer.status != http.client.OK:
        raise ValueError(f"{method} {path} was answered with {answer.status}: {body.decode()}")
    data: dict[str, Any] = json.loads(body)["data"]
    return seconds, data
