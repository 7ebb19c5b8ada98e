"""The keys that sign and encrypt, those that are accepted beside them during a rotation (docs/keys.md), and tokens."""

from datetime import timedelta

from django.core.exceptions import ImproperlyConfigured

from config.environment import env

MOST_FALLBACKS = 5

# Without defaults, so that no installation starts with a public one.
SECRET_KEY = env.str("SECRET_KEY")
JWT_SIGNING_KEY = env.str("JWT_SIGNING_KEY")
# Accepted, and not used to sign or encrypt: the next key before a rotation, and the last one after it.
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])
JWT_SIGNING_KEY_FALLBACKS = env.list("JWT_SIGNING_KEY_FALLBACKS", default=[])


def _check(name: str, key: str, fallbacks: list[str]) -> None:
    if len(fallbacks) > MOST_FALLBACKS:
        raise ImproperlyConfigured(f"{name}_FALLBACKS may have {MOST_FALLBACKS} keys at most.")
    if len({key, *fallbacks}) <= len(fallbacks):
        raise ImproperlyConfigured(f"{name}_FALLBACKS must have other keys than {name}, and each once.")


_check("SECRET_KEY", SECRET_KEY, SECRET_KEY_FALLBACKS)
_check("JWT_SIGNING_KEY", JWT_SIGNING_KEY, JWT_SIGNING_KEY_FALLBACKS)

# How far other clocks may be ahead: the `iat` and `nbf` of a token may lie so far in the future. `exp` has no leeway.
CLOCK_LEEWAY = timedelta(seconds=30)
SIMPLE_JWT = {
    "SIGNING_KEY": JWT_SIGNING_KEY,
    "ALGORITHM": "HS256",
    "ISSUER": "kumanda",
    "ACCESS_TOKEN_LIFETIME": timedelta(hours=1),
    "REFRESH_TOKEN_LIFETIME": timedelta(days=30),
    "USER_ID_CLAIM": "sub",
    "LEEWAY": CLOCK_LEEWAY,
}

# What is encrypted with keys derived from SECRET_KEY: model, column, purpose. See common/secret_keys/reencrypting.py.
ENCRYPTED_COLUMNS = [
    ("edges.JoinKey", "private_key", "join keys"),
    ("common.StoredAnswer", "answer", "stored answers"),
    ("accounts.RefreshedPair", "pair", "refreshed pairs"),
    ("common.LastingKey", "key", "lasting keys"),
]
# Signers of links that stay valid after SECRET_KEY was replaced: see common/secret_keys/lasting.py.
LASTING_SIGNERS = ["reminders.channels.email.signer"]
# By key: what was signed with it for longer than KEY_LIFETIMES. See common/secret_keys/stages.py.
KEY_USES = {"JWT_SIGNING_KEY": "accounts.key_uses.tokens_of_servers"}
