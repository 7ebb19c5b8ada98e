"""Reminders: who wants to be notified of a stream, and the notifications."""
