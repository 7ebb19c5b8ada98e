"""Who may do what: every operation × twelve callers × own, another's and deleted objects, compared with a table.

`operations.md` and `routes.md` are the tables. They say what is right after the contract; they are not a recording.
`python -m tests.api.matrix` compares, `python -m tests.api.matrix --write` rewrites them and prints the difference.
"""
