"""The identity provider of the platform, if there is one: its tokens are accepted beside Kumanda's."""

from django.core.exceptions import ImproperlyConfigured

from config.environment import env

IDENTITY_ISSUER = env.str("IDENTITY_ISSUER", default="")
IDENTITY_AUDIENCE = env.str("IDENTITY_AUDIENCE", default="")
IDENTITY_PUBLIC_KEY = env.str("IDENTITY_PUBLIC_KEY", default="", multiline=True)
IDENTITY_JWKS_URL = env.str("IDENTITY_JWKS_URL", default="")
IDENTITY_ALGORITHMS = env.list("IDENTITY_ALGORITHMS", default=["RS256", "ES256"])
IDENTITY_TOKEN_MAX_SECONDS = env.int("IDENTITY_TOKEN_MAX_SECONDS", default=86_400)
if IDENTITY_TOKEN_MAX_SECONDS < 60:
    raise ImproperlyConfigured("IDENTITY_TOKEN_MAX_SECONDS must be at least 60.")
if IDENTITY_ISSUER and not (IDENTITY_AUDIENCE and bool(IDENTITY_PUBLIC_KEY) != bool(IDENTITY_JWKS_URL)):
    raise ImproperlyConfigured(
        "IDENTITY_ISSUER is set: set IDENTITY_AUDIENCE too, "
        "and exactly one of IDENTITY_PUBLIC_KEY and IDENTITY_JWKS_URL."
    )
# Asymmetric signatures only: with HS* anybody who knows the verification key could sign.
IDENTITY_ALGORITHMS_KNOWN = frozenset(["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"])
if not set(IDENTITY_ALGORITHMS) <= IDENTITY_ALGORITHMS_KNOWN:
    raise ImproperlyConfigured("IDENTITY_ALGORITHMS may name RS*, PS* and ES* algorithms only.")
