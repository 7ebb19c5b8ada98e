"""The stream and its lifecycle."""
