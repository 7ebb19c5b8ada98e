"""The attacks of `make attack`: load from anonymous clients, and how it affects other clients."""
