"""Attacks by requests: slow bodies, costly bodies, pictures, logins, long headers, costly reads, absurd headers."""

import asyncio
import json
from base64 import urlsafe_b64encode
from collections import Counter
from collections.abc import Awaitable
from importlib import import_module
from time import perf_counter

from benchmarks.attack.calls import Reply, call, encoded
from benchmarks.attack.outcomes import Outcome, repeated, slowest, statuses
from benchmarks.attack.service import Target

LOGIN = "/api/v1/auth/login"
SLOW_CONNECTIONS = 200
CUT_WITHIN = 12.0  # seconds: the limit of the server is 10; 2 are for delays

# --- slow bodies ----------------------------------------------------------------------------------


async def announced_bodies(target: Target, seconds: float) -> Outcome:
    """Connections that announce a body of 100 bytes and send one."""
    head = f"POST {LOGIN} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    return await _slow(target, f"{head}Content-Length: 100\r\n\r\n{{".encode(), seconds)


async def chunked_bodies(target: Target, seconds: float) -> Outcome:
    """Connections that send the first chunk of a chunked body and nothing more."""
    head = f"POST {LOGIN} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    return await _slow(target, f"{head}Transfer-Encoding: chunked\r\n\r\n1\r\n{{\r\n".encode(), seconds)


async def _slow(target: Target, sent: bytes, seconds: float) -> Outcome:
    """`value` is the longest time in seconds for which a connection stayed open."""
    until = perf_counter() + seconds
    ends: Counter[str] = Counter()
    held = 0.0

    async def connection(number: int) -> None:
        nonlocal held
        await asyncio.sleep(number / SLOW_CONNECTIONS)
        while perf_counter() < until:
            began = perf_counter()
            ends[await _end_of(target.port, sent, until)] += 1
            held = max(held, perf_counter() - began)

    async with asyncio.TaskGroup() as group:
        for number in range(SLOW_CONNECTIONS):
            group.create_task(connection(number))
    listed = ", ".join(f"{end} × {count:,}" for end, count in sorted(ends.items()))
    return Outcome(f"held up to {held:.1f} s: {listed}", held)


async def _end_of(port: int, sent: bytes, until: float) -> str:
    """How the connection ended: the status of the response, "cut", "refused" or "open at the end"."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        await asyncio.sleep(0.1)
        return "refused"
    try:
        writer.write(sent)
        async with asyncio.timeout(max(0.1, until - perf_counter())):
            received = await reader.read()
        return received[9:12].decode() or "cut"
    except TimeoutError:
        return "open at the end"
    except OSError:
        return "cut"
    finally:
        writer.transport.abort()


# --- costly bodies --------------------------------------------------------------------------------


def _list_calls(target: Target) -> list[bytes]:
    """Lists of zeros of 1.2 MB, and of just under the limit of 1 MB."""
    token = target.token("attacker")
    bodies = []
    for size in (1_200_000, 1_048_000):
        zeros = b"[0" + b",0" * (size // 2 - 100) + b"]"
        bodies.append(encoded("POST", "/api/v1/live-stream/create", token=token, body=b'{"guests": %b}' % zeros))
        bulk = b'{"liveStreamId": "%b", "targets": %b}' % (target.stream.encode(), zeros)
        bodies.append(encoded("POST", "/api/v1/live-stream-ban/bulk", token=token, body=bulk))
    return bodies


async def long_lists(target: Target, seconds: float) -> Outcome:
    """Bodies with a list of half a million items, twenty a second. `value` is the slowest answer."""
    calls = _list_calls(target)

    def ask(number: int) -> Awaitable[Reply]:
        return call(target.port, calls[number % len(calls)], within=10)

    replies = await repeated(ask, seconds=seconds, callers=10, pause=0.5)
    return Outcome(f"slowest answer {slowest(replies):.2f} s: {statuses(replies)}", slowest(replies))


def picture_call(token: str, picture: bytes) -> bytes:
    """The creation of a stream with this picture."""
    boundary = "part-of-the-attack"
    body = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="title"\r\n\r\nPicture\r\n'
        f'--{boundary}\r\nContent-Disposition: form-data; name="thumbnail"; filename="picture"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    ).encode() + picture
    return encoded(
        "POST",
        "/api/v1/live-stream/create",
        f"Content-Type: multipart/form-data; boundary={boundary}",
        token=token,
        body=body + f"\r\n--{boundary}--\r\n".encode(),
    )


async def pictures(target: Target, seconds: float) -> Outcome:
    """Ten hostile pictures at a time, repeatedly."""
    hostile = import_module("tests.hostile_pictures")
    makers = (hostile.huge_webp, hostile.many_scans_jpeg, hostile.huge_png)
    calls = [picture_call(target.token("attacker"), maker()) for maker in makers]

    def ask(number: int) -> Awaitable[Reply]:
        return call(target.port, calls[number % len(calls)], within=20)

    replies = await repeated(ask, seconds=seconds, callers=10, pause=0.2)
    return Outcome(f"slowest answer {slowest(replies):.1f} s: {statuses(replies)}")


# --- logins ---------------------------------------------------------------------------------------


def login_call(username: str, *headers: str) -> bytes:
    return encoded("POST", LOGIN, *headers, body=json.dumps({"username": username, "password": "guess"}).encode())


async def logins(target: Target, seconds: float) -> Outcome:
    """Logins with made-up names, each from another address."""

    def ask(number: int) -> Awaitable[Reply]:
        address = f"X-Forwarded-For: 198.{18 + number // 65_536}.{number // 256 % 256}.{number % 256}"
        return call(target.port, login_call(f"made-up-{number}", address), within=20)

    replies = await repeated(ask, seconds=seconds, callers=40, pause=0.1)
    return Outcome(f"slowest answer {slowest(replies):.1f} s: {statuses(replies)}")


# --- headers and queries --------------------------------------------------------------------------

LONG_CALLS = 5_000


async def long_headers(target: Target, seconds: float) -> Outcome:
    """Anonymous calls with a long header, a long query, or both. No two calls are equal."""
    path = "/api/v1/live-stream/upcoming"

    def ask(number: int) -> Awaitable[Reply]:
        mark = f"{number:08d}"
        languages = f"Accept-Language: {mark}{'a' * 28_000}"
        requests = (
            encoded("GET", f"{path}?limit=1&x={mark}{'b' * 7_000}", languages),
            encoded("GET", f"{path}?limit=1&x={mark}{'b' * 50_000}"),
            encoded("GET", path, f"X-Language: {mark}{'c' * 28_000}"),
        )
        return call(target.port, requests[number % len(requests)])

    replies = await repeated(ask, seconds=seconds, callers=8, at_most=LONG_CALLS)
    return Outcome(f"{len(replies):,} calls: {statuses(replies)}")


async def costly_reads(target: Target, seconds: float) -> Outcome:
    """The most expensive anonymous reads, twenty at a time."""
    busy = target.people["busy"]["id"]
    paths = ("/api/schema/", "/readyz", f"/api/v1/live-stream/user/{busy}/calendar.ics", "/api/docs/")
    calls = [encoded("GET", path) for path in paths]

    def ask(number: int) -> Awaitable[Reply]:
        return call(target.port, calls[number % len(calls)], within=20)

    replies = await repeated(ask, seconds=seconds, callers=20, pause=0.05)
    return Outcome(f"slowest answer {slowest(replies):.1f} s: {statuses(replies)}")


def _absurd_calls(target: Target) -> list[bytes]:
    me, past = "/api/v1/users/me", f"/api/v1/live-stream/{target.stream}/revocations?since="
    long = "a" * 10_000
    cursors = (_cursor(target.stream, 2**63), _cursor(target.stream, 2**64 - 1), str(2**63), "9" * 5_000)
    content_types = (long, f"application/json; charset={long}", "a;" * 5_000, ";", "\xe9/\xe9")
    headers = (
        *(f"Accept: {value}" for value in (long, ";q=", "*/*;q=nan", "\xff")),
        *(f"Accept-Language: {value}" for value in (long, ",,;q=", "\xff", "en;q=1e999")),
        *(f"Authorization: {value}" for value in (long, "Bearer", "Bearer a b", "Bearer \xe9", f"Bearer {long}")),
        *(f"Cookie: {value}" for value in (long, "=;=", "sessionid=\xff", "csrftoken=" + long)),
        *(f"X-Forwarded-For: {value}" for value in (long, "\xff", ",,,", "999.1.1.1")),
        *(f"Host: {value}" for value in (long, "a b", "\xff", "[::")),
        *(f"X-Request-ID: {value}" for value in (long, "\xff")),
        *(f"If-None-Match: {value}" for value in (long, "\xff")),
        *("Range: bytes=9-1", "Expect: 200", "Origin: \xff", "If-Modified-Since: never", "Content-Encoding: x"),
    )
    return [
        *(encoded("POST", LOGIN, f"Content-Type: {named}", body=b"{}") for named in content_types),
        *(encoded("GET", past + value, token=target.token("edge")) for value in cursors),
        *(encoded("GET", me, header) for header in headers),
        *(encoded("GET", "/readyz", header) for header in headers),
        *(encoded("GET", "/admin/login/", header) for header in headers),
        *(encoded("GET", f"{path}{long}") for path in ("/", "/api/v1/live-stream/", "/api/v1/live-stream/upcoming?x=")),
        encoded("GET", "/" + "a" * 70_000),
        encoded("GET", me, *[f"X-{number}: a" for number in range(200)]),
    ]


def _cursor(stream: str, position: int) -> str:
    """A cursor of `revocations` with a position that is out of range for the database."""
    return urlsafe_b64encode(bytes.fromhex(stream) + position.to_bytes(8)).decode().rstrip("=")


async def absurd_headers(target: Target, seconds: float) -> Outcome:
    """Invalid headers and paths. `value` is the number of answers with 500 or above."""
    calls = _absurd_calls(target)

    def ask(number: int) -> Awaitable[Reply]:
        return call(target.port, calls[number % len(calls)])

    # Send each call once, even when that takes longer.
    replies = await repeated(ask, seconds=max(seconds, 10), callers=4, pause=0.02, at_most=len(calls))
    crashes = sum(reply.status >= 500 for reply in replies)
    return Outcome(f"{crashes} of {len(replies)} answers were 5xx: {statuses(replies)}", crashes)
