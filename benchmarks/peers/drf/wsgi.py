"""What the web server calls."""

import os

from django.core.wsgi import get_wsgi_application

# Not a default: with the settings of another place this would be another server.
os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.peers.drf.settings"
application = get_wsgi_application()
