"""CSV files as spreadsheets write them, and lines in any Unicode encoding. See docs/decisions/0021-imports.md."""

import codecs
import csv
import re
from collections.abc import Collection, Iterable, Iterator
from itertools import chain, zip_longest
from typing import IO

# A spreadsheet takes a cell for a formula that begins with one of these, the first five in ASCII and in full width
# (OWASP, "CSV Injection"). The apostrophe is escaped too, so that exactly one is taken away again.
FORMULA = "=+-@\t\r\n＝＋－＠"
_ESCAPED = "'" + FORMULA
DELIMITERS = ",;\t|"
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    # Before UTF-16: the mark of UTF-32-LE begins with the one of UTF-16-LE.
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_BLOCK = 65_536  # bytes
_NO_TEXT = "\udc80"
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)


class NotATable(ValueError):
    """Why a file cannot be read at all, as a sentence."""


class NotARecord(ValueError):
    """Why one record or line cannot be read."""


# --- cells that spreadsheets would compute --------------------------------------------------------


def escaped(cell: str) -> str:
    """The cell with an apostrophe before it where a spreadsheet would compute it; `unescaped` is the inverse."""
    return f"'{cell}" if cell.startswith(tuple(_ESCAPED)) else cell


def unescaped(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(tuple(_ESCAPED)) else cell


# --- lines ----------------------------------------------------------------------------------------


def text_lines(file: IO[bytes]) -> Iterator[str]:
    """The lines of a text with their ends, in constant memory: UTF-8, or UTF-16 or UTF-32 with or without a BOM.

    Bytes that cannot be decoded become lone surrogates: see `is_text`.
    """
    head = file.read(4)
    encoding, mark = _encoding(head)
    rest = head[mark:]
    if encoding == "utf-8":
        # A line ends with the byte 10 whatever precedes it, so a line that cannot be decoded affects no other.
        for line in _with_head(rest, file):
            yield line.decode("utf-8", errors="surrogateescape")
        return
    yield from _decoded_lines(rest, file, encoding)


def is_text(line: str) -> bool:
    return line.isascii() or not any("\ud800" <= sign <= "\udfff" for sign in line)


def _encoding(head: bytes) -> tuple[str, int]:
    """The encoding, and the length of its BOM."""
    for mark, encoding in _BOMS:
        if head.startswith(mark):
            return encoding, len(mark)
    # Without a BOM: every header and object begins with ASCII, where one byte of each UTF-16 unit is zero.
    if len(head) == 4 and head[0] and head[2] and not head[1] and not head[3]:
        return "utf-16-le", 0
    if len(head) == 4 and head[1] and head[3] and not head[0] and not head[2]:
        return "utf-16-be", 0
    return "utf-8", 0


def _with_head(head: bytes, file: IO[bytes]) -> Iterator[bytes]:
    # The head may have the end of a line in it.
    lines = (head + file.readline()).splitlines(keepends=True) if head else []
    return chain(_by_newline(lines), file)


def _by_newline(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Joins what `splitlines` cut at a single carriage return."""
    held = b""
    for line in lines:
        held += line
        if held.endswith(b"\n"):
            yield held
            held = b""
    if held:
        yield held


def _decoded_lines(head: bytes, file: IO[bytes], encoding: str) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder(encoding)(errors="surrogatepass")
    held = ""
    for block in chain([head], iter(lambda: file.read(_BLOCK), b"")):
        try:
            held += decoder.decode(block)
        except UnicodeDecodeError:
            held += _NO_TEXT  # where the next line begins is not known
            break
        *lines, held = held.split("\n")
        yield from (f"{line}\n" for line in lines)
    if decoder.getstate()[0]:  # half a character is left
        held += _NO_TEXT
    if held:
        yield held


# --- records --------------------------------------------------------------------------------------


class Table:
    """The records of a CSV file by column name; see `records`.

    The file may be separated by any of DELIMITERS, begin with a line `sep=;`, and write its headings in any case, with
    spaces, hyphens or underscores. Raises NotATable when it is empty, lacks one of `required`, or has a heading twice
    or one that is none of `known`: an ignored column might be a misspelt one.
    Each item of `required` is a group of names, one of which must be there.
    """

    def __init__(self, file: IO[bytes], *, known: Collection[str], required: Iterable[Collection[str]]) -> None:
        self._lines = _Counted(text_lines(file))
        self._known = {_folded(name): name for name in known}
        header = self._lines.first()
        delimiter = None
        if declared := _SEPARATOR_LINE.fullmatch(header):
            delimiter, header = declared[1], self._lines.first()
        if not is_text(header):
            raise NotATable(f"line {self._lines.number} is not UTF-8; save the file as UTF-8")
        self.delimiter = delimiter or self._best_delimiter(header)
        self._skipped = self._lines.number - 1
        self._reader = csv.reader(chain([header], self._lines), delimiter=self.delimiter, strict=True)
        self.names = self._names(required)

    def records(self) -> Iterator[tuple[int, dict[str, str] | NotARecord]]:
        """For each record the number of its last line, and its non-empty cells by column name, unescaped."""
        while True:
            try:
                cells = next(self._reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield self._number, NotARecord(f"is not CSV: {error}")
                continue
            if any(cells):
                yield self._number, self._record(cells)

    @property
    def _number(self) -> int:
        return self._skipped + self._reader.line_num

    def _record(self, cells: list[str]) -> dict[str, str] | NotARecord:
        beyond = [cell for cell, name in zip_longest(cells, self.names) if not name]
        if any(beyond):
            return NotARecord("has more cells than the first line has names")
        if not all(map(is_text, cells)):
            return NotARecord("is not UTF-8")
        # An empty cell counts as absent.
        return {name: unescaped(cell) for name, cell in zip(self.names, cells, strict=False) if cell}

    def _best_delimiter(self, header: str) -> str:
        """The one that divides the line into the most known names."""

        def score(delimiter: str) -> int:
            return sum(_folded(cell) in self._known for cell in header.split(delimiter))

        return max(DELIMITERS, key=score)

    def _names(self, required: Iterable[Collection[str]]) -> list[str]:
        try:
            headings = next(self._reader)
        except csv.Error as error:
            raise NotATable(f"line {self._number} is not CSV: {error}") from error
        names = [self._known.get(_folded(heading), "") for heading in headings]
        found = ", ".join(repr(heading) for heading in headings)
        expected = ", ".join(self._known.values())
        both = f"found {found}; known are {expected}"
        unknown = [heading for heading, name in zip(headings, names, strict=True) if heading.strip() and not name]
        if unknown:
            raise NotATable(f"line {self._number} has unknown headings: {', '.join(map(repr, unknown))}; {both}")
        twice = sorted({name for name in names if name and names.count(name) > 1})
        if twice:
            raise NotATable(f"line {self._number} has headings twice: {', '.join(twice)}; {both}")
        for some in required:
            if not set(some) & set(names):
                raise NotATable(f"line {self._number} lacks the heading {' or '.join(some)}; {both}")
        return names


class _Counted:
    """An iterator over lines that knows the number of the last one that was read."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines, self.number = lines, 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self.number += 1
        return line

    def first(self) -> str:
        """The next line that is not blank. Raises NotATable."""
        for line in self:
            if line.strip():
                return line
        raise NotATable("is empty; its first line must name the columns")


def _folded(heading: str) -> str:
    return re.sub(r"[\s_.-]", "", unescaped(heading.strip().strip('"'))).casefold()
