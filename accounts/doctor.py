"""What is wrong with logins: the doctor asks here, as settings name it."""

from collections.abc import Iterator

from django.conf import settings

from common.doctor import Finding, error


def examine() -> Iterator[Finding]:
    # Granian ends no TLS for us, so there is a proxy.
    if settings.SECURE and not settings.TRUSTED_PROXIES:
        yield error(
            "proxies_unknown",
            "SECURE is on, so there is a proxy in front, and TRUSTED_PROXIES is empty: all clients seem to have its "
            "address, so that a hundred failed logins of anybody refuse the logins of everybody for five minutes.",
            "Set TRUSTED_PROXIES to the proxy's address, and let it append the client's to X-Forwarded-For.",
        )
