"""The admin: base classes for the pages of other apps, and the pages of the audit trail.

`bases` has read-only pages, `cards` what stands above them, `panels` the tabs and `columns` the columns that apps add
to them, `actions` the actions of staff, each with a reason; `pages` registers pages that belong to no model;
`changelist`, `filters` and `search` decide what a list may be asked for; `forms` has shared fields; `links` has links
to pages of rows; `moments` shows times; `audit_trail` formats audit rows, and `audit_pages` registers their pages.
Error pages are in `common/error_pages.py`, which is needed before apps have been loaded.
"""

from common.admin import audit_pages  # noqa: F401 - registers the pages when Django discovers this package
from common.admin.actions import MOST_AT_ONCE, ActionAdmin, AdminAction
from common.admin.autocomplete import RowFilter
from common.admin.bases import DeletedFilter, ReadOnlyAdmin, SoftDeleteAdmin, described
from common.admin.cards import CardPart, Fact, Head, Notice, add_card, add_card_part, card_of
from common.admin.columns import Columns, add_columns
from common.admin.filters import MomentRangeFilter
from common.admin.forms import LONGEST_REASON, ReasonForm
from common.admin.links import link, linked, page_of
from common.admin.moments import moment_html
from common.admin.pages import add_page, page_context, row_or_404
from common.admin.panels import Panel, add_panel
from common.admin.search import Found, SearchedColumn, WordSearch

__all__ = [
    "LONGEST_REASON",
    "MOST_AT_ONCE",
    "ActionAdmin",
    "AdminAction",
    "CardPart",
    "Columns",
    "DeletedFilter",
    "Fact",
    "Found",
    "Head",
    "MomentRangeFilter",
    "Notice",
    "Panel",
    "ReadOnlyAdmin",
    "ReasonForm",
    "RowFilter",
    "SearchedColumn",
    "SoftDeleteAdmin",
    "WordSearch",
    "add_card",
    "add_card_part",
    "add_columns",
    "add_page",
    "add_panel",
    "card_of",
    "described",
    "link",
    "linked",
    "moment_html",
    "page_context",
    "page_of",
    "row_or_404",
]
