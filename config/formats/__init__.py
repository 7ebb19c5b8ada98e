"""Formats of dates in the languages of this service, where they differ from Django's: `settings.FORMAT_MODULE_PATH`.

Django's pages and filters use them, so that a time looks the same wherever it stands.
"""
