"""How many calls one caller may make in a time. Checked when a process starts."""

from django.core.exceptions import ImproperlyConfigured

from common.rate_limits.policies import policies_of
from config.environment import env

# The calls that one user or one network may make, by the names of the policies in common/rate_limits.
try:
    RATE_LIMITS = policies_of(
        {
            "read": env.str("RATE_LIMIT_READ", default="3000/60"),
            "search": env.str("RATE_LIMIT_SEARCH", default="600/60"),
            "write": env.str("RATE_LIMIT_WRITE", default="600/60"),
            "anonymous": env.str("RATE_LIMIT_ANONYMOUS", default="6000/60"),
            "anonymous-write": env.str("RATE_LIMIT_ANONYMOUS_WRITE", default="1200/60"),
            "address": env.str("RATE_LIMIT_ADDRESS", default="60000/60"),
        }
    )
except ValueError as error:
    raise ImproperlyConfigured(str(error)) from error
