"""Peers: each answers the same requests from the same rows with the same bodies."""
