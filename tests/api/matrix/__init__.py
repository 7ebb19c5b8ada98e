"""The permission matrix: every operation × twelve callers × own, another's and deleted objects, compared with a table.

`operations.md` and `routes.md` are the tables. They state what the contract requires; they are not a recording.
`python -m tests.api.matrix` compares, `python -m tests.api.matrix --write` rewrites them and prints the difference.
"""
