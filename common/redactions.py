"""The chain of redactions: which digest and file a seal and an archive have now, and whether the chain is whole."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from common.canonical import digest_of, micros
from common.models import AuditArchive, AuditRedaction, AuditSeal
from common.pages import in_pages

PAGE = 5_000  # redactions read at once


class Current(NamedTuple):
    """What the newest redactions say: digests by number of seal, digests and files by number of archive."""

    seals: dict[int, str]
    archives: dict[int, tuple[str, str]]
    rows: int
    people: int

    def digest_of_seal(self, number: int, made: str) -> str:
        """`made` is the digest with which the seal was made."""
        return self.seals.get(number, made)

    def of_archive(self, number: int, made: str, file: str) -> tuple[str, str]:
        """The digest and the file; `made` and `file` are those with which the archive was made."""
        return self.archives.get(number, (made, file))


def current() -> Current:
    seals: dict[int, str] = {}
    archives: dict[int, tuple[str, str]] = {}
    people: set[str] = set()
    rows = 0
    for redaction in in_order():
        if redaction.seal is not None:
            seals[redaction.seal] = redaction.new_digest
            rows += redaction.rows
        elif redaction.archive is not None:
            archives[redaction.archive] = (redaction.new_digest, redaction.file)
        people.add(redaction.person)
    return Current(seals, archives, rows, len(people))


def in_order() -> Iterator[AuditRedaction]:
    return in_pages(AuditRedaction.objects.all(), size=PAGE)


def newest() -> AuditRedaction | None:
    return AuditRedaction.objects.order_by("-number").first()


def chained(redaction: AuditRedaction, previous: AuditRedaction | None) -> AuditRedaction:
    """Give it its number and its digest."""
    redaction.number = previous.number + 1 if previous else 1
    redaction.digest = _digest_of(redaction, previous.digest if previous else "")
    return redaction


def _digest_of(redaction: AuditRedaction, previous: str) -> str:
    fields = (
        previous,
        redaction.number,
        redaction.person,
        redaction.seal,
        redaction.archive,
        redaction.file,
        redaction.rows,
        redaction.old_digest,
        redaction.new_digest,
        micros(redaction.made_at),
    )
    return digest_of(fields)


def verify(report: Callable[[str], None]) -> None:
    """`report` gets a sentence for each redaction that does not follow the one before, or those of the same rows."""
    digests: dict[tuple[str, int], str | None] = {}
    previous: AuditRedaction | None = None
    for redaction in in_order():
        expected = previous.number + 1 if previous else 1
        if redaction.number != expected:
            report(f"redaction {expected} is missing, redaction {redaction.number} comes next")
        elif redaction.digest != _digest_of(redaction, previous.digest if previous else ""):
            report(f"redaction {redaction.number} does not match its digest, or does not follow the redaction before")
        place = _place(redaction)
        if place not in digests:
            digests[place] = _digest_made(*place)
        if digests[place] != redaction.old_digest:
            report(f"redaction {redaction.number} does not continue the digest of {place[0]} {place[1]}")
        digests[place] = redaction.new_digest
        previous = redaction


def _place(redaction: AuditRedaction) -> tuple[str, int]:
    return ("archive", redaction.archive) if redaction.archive is not None else ("seal", redaction.seal or 0)


def _digest_made(kind: str, number: int) -> str | None:
    if kind == "archive":
        return AuditArchive.objects.filter(number=number).values_list("sha256", flat=True).first()
    return AuditSeal.objects.filter(number=number).values_list("rows_digest", flat=True).first()
