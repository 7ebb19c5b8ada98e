"""What every app stands on: Django, DRF and PostgreSQL made lean, with no word of the domain."""
