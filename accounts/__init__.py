"""Who somebody is: users, their pictures, their sessions and tokens."""
