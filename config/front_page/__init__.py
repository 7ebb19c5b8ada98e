"""The front page of the admin: what waits, what is live, and what the reader decided, for the role of the reader.

`reading` has the one statement that reads it, `sections` what is shown, `chart` the bans by hour, `words` numbers and
spans of time as text, and `pages` the views. `config/admin.py` registers them.
"""
