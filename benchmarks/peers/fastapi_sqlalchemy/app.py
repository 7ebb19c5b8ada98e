"""The ASGI application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse

from benchmarks.peers.fastapi_sqlalchemy import bans, changes, joining, reminders, streams
from benchmarks.peers.fastapi_sqlalchemy.tables import engine
from benchmarks.peers.fastapi_sqlalchemy.wire import wire_time

REASONS = {
    400: "Validation failed",
    401: "Authentication required",
    403: "Insufficient permissions",
    404: "Resource not found",
    409: "Resource already exists or cannot be changed in its current state",
}


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    yield
    await engine.dispose()


app = FastAPI(lifespan=lifespan)
app.include_router(joining.router)
app.include_router(streams.router)
app.include_router(changes.router)
app.include_router(bans.router)
app.include_router(reminders.router)


@app.exception_handler(HTTPException)
async def refused(_: Request, error: HTTPException) -> JSONResponse:
    reason = REASONS.get(error.status_code, str(error.detail))
    timestamp = wire_time(datetime.now(UTC))
    answer = {
        "isSuccess": False,
        "statusCode": error.status_code,
        "data": None,
        "errors": [reason],
        "timestamp": timestamp,
    }
    return JSONResponse(answer, error.status_code)
