"""One job for each reminder, as Procrastinate's documentation shows it: an async task and a connection pool."""

import asyncio

from procrastinate import App, PsycopgConnector

QUEUE = "one_each"
JOBS_AT_ONCE = 10
# Not Procrastinate's command, which logs two lines for each job.
WORKER = ("-c", f"import {__name__}; {__name__}.work()")

app = App(connector=PsycopgConnector(kwargs={"user": "kumanda", "dbname": "kumanda"}))

INSERT = """
    INSERT INTO one_each (id, user_id, stream_id, kind, created_at)
    VALUES (decode(%(id)s, 'hex'), decode(%(user)s, 'hex'), decode(%(stream)s, 'hex'), 'live', now())
    ON CONFLICT DO NOTHING
"""


@app.task(name="notify", queue=QUEUE)
async def notify(id: str, user: str, stream: str) -> None:
    await app.connector.execute_query_async(INSERT, id=id, user=user, stream=stream)


def work() -> None:
    asyncio.run(_work())


async def _work() -> None:
    async with app.open_async():
        await app.run_worker_async(queues=[QUEUE], concurrency=JOBS_AT_ONCE, delete_jobs="successful")
