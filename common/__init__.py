"""Additions to Django, DRF and PostgreSQL that all apps use. It contains no domain terms."""
