"""Who wants to be told when a stream begins, and the telling."""
