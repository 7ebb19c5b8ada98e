"""Outages around the service: a locked table, a stopped database, closed connections, bodies through a proxy."""

import asyncio
import signal
from collections.abc import Awaitable
from contextlib import suppress
from itertools import cycle

import psutil
import psycopg

from benchmarks.attack.calls import Reply, call, encoded
from benchmarks.attack.outcomes import Outcome, repeated, slowest, statuses
from benchmarks.attack.service import Target, family

CALLERS = 45


async def locked_table(target: Target, seconds: float) -> Outcome:
    """Many calls read a stream while another session holds an ACCESS EXCLUSIVE lock on the table."""
    read = encoded("GET", f"/api/v1/live-stream/{target.stream}", token=target.token("viewer"))
    with target.connect() as connection:
        with connection.transaction():
            connection.execute("LOCK TABLE livestreams_livestream IN ACCESS EXCLUSIVE MODE")
            asking = asyncio.create_task(_many(target, read, seconds))
            await asyncio.sleep(seconds)
        return await asking


async def stopped_database(target: Target, seconds: float) -> Outcome:
    """All processes of the database are suspended (SIGSTOP): connections stay open and get no response."""
    members = family(psutil.Process(target.postmaster))
    for process in members:
        process.send_signal(signal.SIGSTOP)
    try:
        request = encoded("GET", "/api/v1/users/me", token=target.token("viewer"))
        asking = asyncio.create_task(_many(target, request, seconds))
        await asyncio.sleep(seconds)
    finally:
        for process in members:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGCONT)
    return await asking


async def _many(target: Target, request: bytes, seconds: float) -> Outcome:
    """`value` is the number of calls that did not get a 200, or a 503 in the envelope, within five seconds."""

    def ask(_number: int) -> Awaitable[Reply]:
        return call(target.port, request, within=15)

    replies = await repeated(ask, seconds=seconds, callers=CALLERS, pause=0.5)
    failed = sum(not reply.is_answer(200, 503) for reply in replies)
    return Outcome(
        f"{failed} of {len(replies)} calls failed, slowest answer {slowest(replies):.1f} s: {statuses(replies)}", failed
    )


async def closed_connections(target: Target, seconds: float) -> Outcome:
    """The database closes all connections before each 60 calls. `value` is the number of those that failed."""
    replies: list[Reply] = []
    until = asyncio.get_running_loop().time() + seconds
    for request in cycle(_kinds(target)):
        # Give every thread a connection.
        await _sixty(target, request)
        await asyncio.to_thread(_terminate_all, target)
        replies += await _sixty(target, request)
        if asyncio.get_running_loop().time() > until:
            break
    failed = sum(not reply.is_answer(200) for reply in replies)
    return Outcome(f"{failed} of {len(replies)} calls failed: {statuses(replies)}", failed)


def _kinds(target: Target) -> list[bytes]:
    """Calls that read and change rows, through the ORM and through prepared statements."""
    edit = b'{"durationGoal": 60}'
    return [
        encoded("GET", "/.well-known/jwks.json"),
        encoded("PATCH", f"/api/v1/live-stream/{target.planned}", token=target.token("busy"), body=edit),
        *(request for _, request in target.ordinary_calls()),
    ]


async def _sixty(target: Target, request: bytes) -> list[Reply]:
    return list(await asyncio.gather(*(call(target.port, request) for _ in range(60))))


def _terminate_all(target: Target) -> None:
    with target.connect() as connection, suppress(psycopg.errors.AdminShutdown):
        connection.execute(
            "SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity"
            " WHERE pid <> pg_backend_pid() AND datname = current_database()"
        )


async def refused_bodies(target: Target, seconds: float) -> Outcome:
    """Calls with an invalid token and a body of 100 KB through nginx, in parallel with valid calls.

    `value` is the number of the former that are not answered with 401 or 413 (the body also exceeds the limit), plus
    the number of valid calls that are not answered with 200.
    """
    body = b'{"title": "' + b"x" * 100_000 + b'"}'
    bad = encoded("POST", "/api/v1/live-stream/create", token="made-up", body=body)
    good = encoded("GET", "/api/v1/users/me", token=target.token("viewer"))

    def ask_badly(_number: int) -> Awaitable[Reply]:
        return call(target.proxy_port, bad)

    def ask_well(_number: int) -> Awaitable[Reply]:
        return call(target.proxy_port, good)

    refused, served = await asyncio.gather(
        repeated(ask_badly, seconds=seconds, callers=8, pause=0.02),
        repeated(ask_well, seconds=seconds, callers=8, pause=0.02),
    )
    failed = sum(not (reply.is_answer(401) or reply.is_answer(413)) for reply in refused)
    failed += sum(not reply.is_answer(200) for reply in served)
    return Outcome(
        f"{failed} of {len(refused) + len(served)} answers were wrong; refused calls: {statuses(refused)}; "
        f"good calls: {statuses(served)}",
        failed,
    )
