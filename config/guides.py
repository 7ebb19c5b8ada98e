"""The parts of the guides (`docs/guides`) that are generated."""

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from common.api import TITLES
from common.diagrams import START, Move, State, state_diagram
from common.schema import codes
from livestreams.models import LIFECYCLE, Action, Status

ACTIONS = {
    Action.EDIT: _("edit"),
    Action.SCHEDULE: _("schedule"),
    Action.UNSCHEDULE: _("unschedule"),
    Action.START: _("start"),
    Action.END: _("end"),
    Action.CANCEL_BY_HOST: _("cancel (host)"),
    Action.CANCEL_BY_GUEST: _("cancel (guest)"),
    Action.EXPIRE: _("expire"),
    Action.DELETE: _("delete"),
}


def lifecycle_moves() -> list[Move]:
    """The moves of the lifecycle table that change the state, after the two ways to create a stream."""
    return [
        Move(START, Status.SCHEDULED, gettext("create with a start")),
        Move(START, Status.PREPARING, gettext("create")),
        *(
            Move(status, target, str(ACTIONS[action]))
            for status, actions in LIFECYCLE.items()
            for action, target in actions.items()
            if target is not status
        ),
    ]


def lifecycle() -> SafeString:
    """The lifecycle as a diagram."""
    states = {str(status): State(str(status.label), str(status)) for status in Status}
    return state_diagram(lifecycle_moves(), states, title=gettext("The life of a stream"))


def allowed_actions() -> SafeString:
    """A table: what is possible in each state."""
    rows = (
        (status, status.label, ", ".join(str(ACTIONS[action]) for action in actions))
        for status, actions in LIFECYCLE.items()
    )
    return _table(
        (gettext("State"), gettext("Possible")),
        format_html_join("", "<tr><td><code>{}</code><br>{}</td><td>{}</td></tr>", rows),
    )


def error_codes() -> SafeString:
    """A table of every `X-Error-Code`, with its status and its meaning."""
    rows = (
        (status, TITLES[status], code, gettext(meaning) if meaning else "")
        for code, (status, meaning) in codes().items()
    )
    return _table(
        (gettext("Status"), gettext("Code"), gettext("Meaning")),
        format_html_join("", '<tr><td title="{1}">{0}</td><td><code>{2}</code></td><td>{3}</td></tr>', rows),
    )


def _table(heads: tuple[str, ...], rows: SafeString) -> SafeString:
    return format_html(
        '<div class="table"><table><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>',
        format_html_join("", "<th>{}</th>", ((head,) for head in heads)),
        rows,
    )
