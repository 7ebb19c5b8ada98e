"""Bans of people from streams, their review, and appeals against them."""
