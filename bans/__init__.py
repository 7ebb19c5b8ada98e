"""Who may not watch or write, and the review of it."""
