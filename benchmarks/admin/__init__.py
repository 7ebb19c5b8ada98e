"""Every page, search and filter of the admin in a large database."""
