"""Reading lists, searches and calendars from a streaming replica of the database, if the settings name one.

`last_writes` stores the position in the write-ahead log (LSN) at which the last change of each caller was committed.
`checks` compares the replica with the primary in a thread of each process. `reading` runs a statement on the replica
only if it has replayed what its caller has written, and repeats it on the primary if the replica fails. Which reads
may use it is declared by them: `from_replica` of `Question` and `Listing`.
"""
