"""CSV files as spreadsheets write them, and the escaping of cells that they would compute (CSV injection)."""

import csv
import io
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.tables import FORMULA, NotARecord, NotATable, Table, escaped, text_lines, unescaped

KNOWN = ("liveStreamId", "targetUserId", "reason")
REQUIRED = [["liveStreamId"]]
# Whatever UTF-8 can hold; CSV has no NUL.
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
BEGINNINGS = st.sampled_from(["", "'", "''", "'=", *FORMULA, *(f"'{sign}" for sign in FORMULA)])
CELLS = st.builds(lambda beginning, rest: beginning + rest, BEGINNINGS, TEXTS)


def table(content: bytes) -> Table:
    return Table(io.BufferedReader(io.BytesIO(content)), known=KNOWN, required=REQUIRED)


def records(content: bytes) -> list[dict[str, str]]:
    return [record for _number, record in table(content).records() if not isinstance(record, NotARecord)]


def written(rows: Iterable[Iterable[str]], delimiter: str = ",", end: str = "\r\n") -> str:
    file = io.StringIO(newline="")
    csv.writer(file, delimiter=delimiter, lineterminator=end).writerows(rows)
    return file.getvalue()


@given(CELLS)
def test_unescaping_undoes_escaping(cell: str) -> None:
    assert unescaped(escaped(cell)) == cell
    assert not escaped(cell).startswith(tuple(FORMULA))


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("=1+1", "'=1+1"),
        ("+90", "'+90"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\tx", "'\tx"),
        ("\rx", "'\rx"),
        ("'quoted'", "''quoted'"),
        ("'=1", "''=1"),
        ("plain = text", "plain = text"),
        ("", ""),
    ],
)
def test_a_cell_that_would_be_computed_gets_an_apostrophe(cell: str, expected: str) -> None:
    assert escaped(cell) == expected
    assert unescaped(expected) == cell


def test_an_apostrophe_that_escapes_nothing_stays() -> None:
    assert [unescaped(cell) for cell in ("'tis", "it's", "'")] == ["'tis", "it's", "'"]


@given(st.lists(st.tuples(CELLS, CELLS), max_size=5), st.sampled_from(",;\t|"), st.booleans())
def test_a_table_that_a_spreadsheet_has_rewritten_has_the_same_cells(
    rows: list[tuple[str, str]], delimiter: str, says_so: bool
) -> None:
    exported = written([KNOWN, *(("6741c8f0a1b2c3d4e5f60718", *map(escaped, row)) for row in rows)])
    loaded = list(csv.reader(io.StringIO(exported, newline="")))
    rewritten = (f"sep={delimiter}\r\n" if says_so else "") + written(loaded, delimiter)
    expected = [
        {name: cell for name, cell in zip(KNOWN, ("6741c8f0a1b2c3d4e5f60718", *row), strict=True) if cell}
        for row in rows
    ]
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"):
        assert records(rewritten.encode(encoding)) == expected, encoding


@pytest.mark.parametrize(
    "headings",
    [
        "liveStreamId,targetUserId,reason",
        "LIVESTREAMID,TARGETUSERID,REASON",
        "Live Stream Id,Target User Id,Reason",
        " live_stream_id , target-user-id ,reason ",
        '"liveStreamId","targetUserId","reason"',
        "liveStreamId,targetUserId,reason,,",
    ],
)
def test_headings_are_known_in_any_case_and_spacing(headings: str) -> None:
    assert records(f"{headings}\na,b,c\n".encode()) == [dict(zip(KNOWN, "abc", strict=True))]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty; its first line must name the columns"),
        (b"\n \n", "is empty; its first line must name the columns"),
        (b"sep=;\n", "is empty; its first line must name the columns"),
        (b"liveStreamId,expires\n", "line 1 has unknown headings: 'expires'; found 'liveStreamId', 'expires'; known"),
        (b"sep=,\nliveStreamId;reason\n", "line 2 has unknown headings: 'liveStreamId;reason'; found"),
        (b"reason,liveStreamId,Reason\n", "line 1 has headings twice: reason; found"),
        (b"reason,targetUserId\n", "line 1 lacks the heading liveStreamId; found 'reason', 'targetUserId'; known are "),
        ("liveStreamId,açıklama\n".encode("cp1254"), "line 1 is not UTF-8; save the file as UTF-8"),
        (b"liveStreamId,reason\ra,b\rc,d", "line 1 is not CSV: new-line character seen in unquoted field"),
    ],
    ids=str,
)
def test_a_file_that_cannot_be_read_is_refused_once(content: bytes, message: str) -> None:
    with pytest.raises(NotATable) as refused:
        table(content)
    assert str(refused.value).startswith(message)


def test_an_invalid_record_is_reported_by_its_line_and_does_not_affect_others() -> None:
    content = b'sep=;\n\nLive Stream Id;reason\na;"two\nlines"\nb;\xfe\xfd\n;;\nc;d;e\nf;g\n'
    read = list(table(content).records())

    assert [number for number, _ in read] == [5, 6, 8, 9]
    assert read[0][1] == {"liveStreamId": "a", "reason": "two\nlines"}
    assert [str(record) for _, record in read[1:3]] == ["is not UTF-8", "has more cells than the first line has names"]
    assert read[3][1] == {"liveStreamId": "f", "reason": "g"}


def test_an_incomplete_character_at_the_end_is_not_text() -> None:
    ((_, record),) = table("liveStreamId\nab".encode("utf-16")[:-1]).records()
    assert str(record) == "is not UTF-8"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("text", ["", "a", "{}\n", "ab\ncd", "a\r\n\nb\rc\n", "x" * 100_000 + "\ny"])
def test_lines_are_those_of_the_text(text: str, encoding: str) -> None:
    read = list(text_lines(io.BufferedReader(io.BytesIO(text.encode(encoding)))))
    assert read == text.replace("\n", "\n\0").split("\0")[: len(read)]
    assert "".join(read) == text
