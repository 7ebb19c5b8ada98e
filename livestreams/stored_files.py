"""The files of thumbnails, for `media check`."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from common.models import AuditEntry
from common.storage.sources import NamedFile, Source, pages_of
from livestreams.models import LiveStream
from livestreams.thumbnails import FOLDER


def sources() -> Iterator[Source]:
    yield Source(FOLDER, _named, _names_before)


def _named() -> Iterator[NamedFile]:
    rows = LiveStream.all_objects.exclude(thumbnail="")
    for key, thumbnail, updated_at in pages_of(rows, "thumbnail", "updated_at"):
        yield NamedFile(thumbnail, "livestream", key, updated_at.timestamp())


def _names_before(missing: Sequence[NamedFile]) -> Mapping[str, Sequence[str]]:
    """Each deletion gave the file a new name, and the audit trail has both."""
    if not missing:
        return {}
    before: dict[str, dict[str, str]] = defaultdict(dict)
    deletions = AuditEntry.objects.filter(target_id__in=[each.row_id for each in missing], action="delete_stream")
    for stream_id, old, new in deletions.values_list("target_id", "before__thumbnail", "after__thumbnail"):
        if old and new:
            before[stream_id][new] = old
    return {each.name: list(_chain(each.name, before[each.row_id])) for each in missing}


def _chain(name: str, before: Mapping[str, str]) -> Iterator[str]:
    while name in before:
        name = before[name]
        yield name
