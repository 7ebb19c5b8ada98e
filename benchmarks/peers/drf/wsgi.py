"""The WSGI application."""

import os

from django.core.wsgi import get_wsgi_application

# Set, not a default: with other settings this would be another stack.
os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.peers.drf.settings"
application = get_wsgi_application()
