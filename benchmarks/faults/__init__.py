"""`make faults`: faults of everything that the service needs, under load, and their effect on its callers."""
