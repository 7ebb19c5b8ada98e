"""The one place that knows every app: settings, addresses and the entry point of the web server."""
