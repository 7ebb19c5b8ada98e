"""The one place that knows every app: settings, addresses and the door to the web server."""
