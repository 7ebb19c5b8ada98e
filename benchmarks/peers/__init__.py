"""The same work in other ways: each peer answers the same requests from the same rows with the same bodies."""
