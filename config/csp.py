"""Content security policies: what a page may load and run (https://www.w3.org/TR/CSP3/)."""

from urllib.parse import urlsplit

from django.utils.csp import CSP

type Policy = dict[str, list[str]]

# For JSON, redirects, files, and pages that load nothing: the page behind an email's link has styles in attributes.
NOTHING: Policy = {
    "default-src": [CSP.NONE],
    "style-src": [CSP.UNSAFE_INLINE],
    "form-action": [CSP.SELF],
    "base-uri": [CSP.NONE],
    "frame-ancestors": [CSP.NONE],
}


def admin_policy(media_url: str) -> Policy:
    """As strict as Unfold works with. `media_url` is where pictures come from, another origin or a path of this one.

    No script of a page itself ever runs, only files of this server. Unfold writes its colours and pictures into style
    elements and attributes, and Alpine.js makes functions of the attributes of Unfold's templates ('unsafe-eval').
    """
    parts = urlsplit(media_url)
    pictures = [f"{parts.scheme}://{parts.netloc}"] if parts.netloc else []
    return {
        "default-src": [CSP.NONE],
        "script-src": [CSP.SELF, CSP.UNSAFE_EVAL],
        "style-src": [CSP.SELF, CSP.UNSAFE_INLINE],
        "img-src": [CSP.SELF, "data:", *pictures],
        "font-src": [CSP.SELF],
        "connect-src": [CSP.SELF],
        "form-action": [CSP.SELF],
        "base-uri": [CSP.NONE],
        "frame-ancestors": [CSP.NONE],
    }
