"""Who may ask for what edges must know."""

from django.utils.translation import gettext_lazy as _

from common.refusals import Forbidden


class NotAServiceAccount(Forbidden):
    code = "not_a_service_account"
    message = _("only service accounts with the permission livestreams.enforce may ask this")
