"""Content security policies (https://www.w3.org/TR/CSP3/)."""

from urllib.parse import urlsplit

from django.utils.csp import CSP

type Policy = dict[str, list[str]]

# For JSON, redirects, files, and pages that load nothing. The unsubscribe page has styles in attributes.
NOTHING: Policy = {
    "default-src": [CSP.NONE],
    "style-src": [CSP.UNSAFE_INLINE],
    "form-action": [CSP.SELF],
    "base-uri": [CSP.NONE],
    "frame-ancestors": [CSP.NONE],
}


def admin_policy(media_url: str) -> Policy:
    """The strictest policy that Unfold works with. `media_url` is the origin of pictures, or a path of this one.

    Inline scripts are forbidden; only script files of this server run. Unfold needs inline styles for its colours and
    pictures, and Alpine.js compiles the attributes of Unfold's templates to functions ('unsafe-eval').
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
