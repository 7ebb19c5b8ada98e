"""A database backend for Django: its PostgreSQL backend with limited waiting and an optional private server.

The package knows nothing of the project around it. It imports Django, psycopg and psutil only, reads no setting besides
its entry in `DATABASES`, and can be copied into another project as it is. `tests/common/test_postgres_package.py`
checks the imports.
"""
