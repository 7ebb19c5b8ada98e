"""Users, their profile photos, sessions and tokens."""
