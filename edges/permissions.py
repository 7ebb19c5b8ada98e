"""Who may read the revocations of a stream."""

from django.utils.translation import gettext_lazy as _

from accounts.models import User
from common.refusals import Forbidden


class NotAServiceAccount(Forbidden):
    code = "not_a_service_account"
    message = _("only service accounts with the permission livestreams.enforce may ask this")


def refuse_unless_service_account(user: User) -> None:
    if not user.has_perm("livestreams.enforce"):
        raise NotAServiceAccount
