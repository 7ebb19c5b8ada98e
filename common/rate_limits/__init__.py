"""Rate limits of the API: how many calls one user or one network may make in a time.

`policies` reads the settings, `counters` counts, `calls` decides for a request and writes the headers of its answer.
See docs/decisions/0027-compression-and-rate-limits.md. Import the modules: the settings import `policies`.
"""
