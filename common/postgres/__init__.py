"""Django's PostgreSQL backend, able to bring its own private server."""
