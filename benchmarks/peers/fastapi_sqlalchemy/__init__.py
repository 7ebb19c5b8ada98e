"""The same API on FastAPI with the async ORM of SQLAlchemy 2, as their documentation shows.

It uses every optimization in common use: uvloop, httptools and asyncpg; one joined statement for a stream; a cache of
verified tokens like Kumanda's; responses that pydantic serializes directly to bytes; no implicit transaction around
reads.
"""
