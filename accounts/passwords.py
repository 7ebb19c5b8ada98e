"""Normalization of passwords before they are hashed: devices encode the same typed text in different ways."""

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from precis_i18n import get_profile

_PROFILE = get_profile("OpaqueString")  # RFC 8265, section 4.2
_RULE = gettext_lazy("must not have control characters or characters without a meaning of their own")


def prepared(password: str) -> str:
    """The form that is hashed: NFC, with every kind of space as the ASCII one.

    Raises ValidationError where PRECIS does not allow the password.
    """
    if not password:
        return password  # whether a password may be empty is decided elsewhere
    try:
        return str(_PROFILE.enforce(password))
    except UnicodeEncodeError as error:
        raise ValidationError(_RULE, code="password_characters") from error


def forms(password: str) -> list[str]:
    """The texts to compare with a stored hash, in this order.

    The second one, if any, is the password as it was sent: hashes from before normalization were made of that.
    """
    try:
        first = prepared(password)
    except ValidationError:
        return [password]
    return [first] if first == password else [first, password]


class PreparedPasswordValidator:
    """For AUTH_PASSWORD_VALIDATORS: refuses a new password that `prepared` refuses."""

    def validate(self, password: str, user: object = None) -> None:
        prepared(password)

    def get_help_text(self) -> str:
        return _("Your password must not have control characters.")
