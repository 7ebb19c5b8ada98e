"""The same API on FastAPI with the async ORM of SQLAlchemy 2, as its documentation teaches it.

Whatever helps it and is in common use is here: uvloop, httptools and asyncpg; one joined statement for a stream;
a verified-token cache like Kumanda's; responses that pydantic writes straight to bytes; no implicit transaction
around reads.
"""
