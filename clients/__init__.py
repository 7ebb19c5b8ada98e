"""Clients of the API for Python and TypeScript, and the script that builds them."""
