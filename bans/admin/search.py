"""What lists of bans and of cases are searched for."""

from accounts.models import User
from common.admin import SearchedColumn, WordSearch
from livestreams.models import LiveStream

# Also deleted streams, whose bans and cases the lists show.
BAN_SEARCH = WordSearch(
    SearchedColumn(User.objects.all, "names_folded", "target"),
    SearchedColumn(LiveStream.all_objects.all, "title_folded", "stream"),
)
CASE_SEARCH = WordSearch(
    SearchedColumn(LiveStream.all_objects.all, "title_folded", "stream"),
    SearchedColumn(User.objects.all, "names_folded", "stream__creator"),
)
