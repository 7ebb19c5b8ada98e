"""The admin: base classes for the pages of other apps, and the pages of the audit trail.

`bases` has read-only pages, `panels` the tabs that apps add to them, `actions` the actions of staff, each with a
reason; `pages` registers pages that belong to no model; `changelist` and `filters` restrict what the address of a list
may ask for; `forms` has shared fields; `moments` shows times; `audit_trail` formats audit rows, and `audit_pages`
registers their pages. Error pages are in `common/error_pages.py`, which is needed before apps have been loaded.
"""

from common.admin import audit_pages  # noqa: F401 - registers the pages when Django discovers this package
from common.admin.actions import MOST_AT_ONCE, ActionAdmin, AdminAction
from common.admin.bases import DeletedFilter, ReadOnlyAdmin, SoftDeleteAdmin, link, linked, page_of
from common.admin.filters import MomentRangeFilter
from common.admin.forms import LONGEST_REASON, ReasonForm
from common.admin.moments import moment_html
from common.admin.pages import add_page
from common.admin.panels import Panel, add_panel

__all__ = [
    "LONGEST_REASON",
    "MOST_AT_ONCE",
    "ActionAdmin",
    "AdminAction",
    "DeletedFilter",
    "MomentRangeFilter",
    "Panel",
    "ReadOnlyAdmin",
    "ReasonForm",
    "SoftDeleteAdmin",
    "add_page",
    "add_panel",
    "link",
    "linked",
    "moment_html",
    "page_of",
]
