"""The attacks of `make attack`: what strangers can do to the service, and what other callers notice of it."""
