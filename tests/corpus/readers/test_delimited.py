"""CSV and TSV: what Python writes is read back, and a broken row costs its first line alone."""

import csv
import gzip
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.errors import SourceError
from corpus.readers import records
from corpus.readers.delimited import Rows
from corpus.source import Extent, Source
from corpus.units import content_hash, units


def read(path, **settings):
    source, rows, bad = Source(path=str(path), **settings), [], []
    for unit in units([source], lambda found: content_hash(found.url)):
        for piece in records(unit, source):
            assert piece.rows.schema.names[: len(source.schema())] == source.schema().names
            rows += piece.rows.to_pylist()
            bad += piece.bad
    return rows, bad


def written(path, raw):
    path.write_bytes(raw)
    return path


cells = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), max_size=20)


@given(rows=st.lists(st.tuples(cells, cells), max_size=20), delimiter=st.sampled_from(",\t;|"), mark=st.booleans())
def test_what_the_csv_module_writes_is_read_back(tmp_path_factory, rows, delimiter, mark):
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter)
    writer.writerows([("note", "text"), *rows])
    path = written(tmp_path_factory.mktemp("c") / "a.csv", b"\xef\xbb\xbf" * mark + out.getvalue().encode())
    found, bad = read(path, fields=("note",))
    assert bad == []
    assert [(row["note"], row["text"]) for row in found] == rows


class Counted(Rows):
    """Rows that count the lines they look at."""

    fed = 0

    def feed(self):
        self.fed += 1
        return super().feed()


hostile = st.lists(
    st.sampled_from([b'"', b",", b"\n", b"\r", b"a", b'""', b"\xff", b"\0", b"x,y\n", b'"q",1\n']), max_size=60
)


@given(hostile)
def test_every_line_is_in_one_row_and_good_rows_beside_broken_ones_are_kept(tmp_path_factory, parts):
    raw = b"a,b\n" + b"".join(parts) + b"\nlast,row\n"
    path = written(tmp_path_factory.mktemp("c") / "a.csv", raw)
    rows = list(counted := Counted(Extent(str(path), "a.csv", 0, -1), 64.0))
    assert counted.fed <= 2 * (raw.count(b"\n") + 1)
    places = [row.begin for row in rows]
    assert places == sorted(set(places))
    assert all(raw[row.begin :].startswith(row.raw) for row in rows)
    assert rows[-1].cells == ["last", "row"] or b'"' in raw
    good, bad = read(path, text_field="a", domain_field="b")
    assert len(good) + len(bad) == len(rows) - 1


def test_a_quote_that_never_closes_costs_its_line(tmp_path):
    lines = [b"id,text", b'1,"open', *[b"%d,plain" % n for n in range(2, 400)]]
    rows, bad = read(written(tmp_path / "a.csv", b"\n".join(lines)))
    assert [row["id"] for row in rows] == [str(n) for n in range(2, 400)]
    assert [(one.offset, one.cause, one.sample) for one in bad] == [
        (8, "broken row: a quote is never closed", '1,"open\\n')
    ]
    rows, bad = read(tmp_path / "a.csv", max_record_mb=0.001)
    assert len(rows) == 398
    assert bad[0].cause == "longer than max_record_mb = 0.001"


FAULTS = {
    b'9,"a"b': "broken row: ',' expected after '\"'",
    b"9": "broken row: 1 fields where the header has 2",
    b"9,a,b": "broken row: 3 fields where the header has 2",
    b"9,caf\xe9": "invalid UTF-8",
    b"9,a\0b": "NUL in the text",
    b"9," + b"x" * 20_000: "longer than max_record_mb = 0.01",
    b"9,a\rb": "broken row: new-line character seen in unquoted field",
}


@pytest.mark.parametrize(("line", "cause"), FAULTS.items(), ids=lambda v: str(v)[:20])
def test_each_fault_is_named_and_its_neighbours_are_kept(tmp_path, line, cause):
    rows, bad = read(written(tmp_path / "a.csv", b"id,text\n1,before\n" + line + b"\n2,after\n"), max_record_mb=0.01)
    assert [row["text"] for row in rows] == ["before", "after"]
    assert [(one.file, one.offset) for one in bad] == [("a.csv", 17)]
    assert bad[0].cause.startswith(cause)


def test_a_million_short_lines_in_quotes_or_fields_in_a_line_stay_bounded(tmp_path):
    raw = b'text\n"open\n' + b"\n" * 1_100_000 + b"after\n" + b"," * 4_100_000 + b"\nlast\n"
    rows, bad = read(written(tmp_path / "a.csv", raw))
    assert [row["text"] for row in rows] == ["after", "last"]
    assert [one.cause.partition(":")[0] for one in bad] == ["broken row"] * 2


def test_a_header_of_a_million_names_is_read(tmp_path):
    names = ",".join(["text", *(f"c{n}" for n in range(1_000_000))])
    row = "x" + "," * 1_000_000
    rows, bad = read(written(tmp_path / "a.csv", f"{names}\n{row}\n".encode()))
    assert ([row["text"] for row in rows], bad) == (["x"], [])


def test_the_header_is_held_against_the_source(tmp_path):
    path = written(tmp_path / "a.csv", b"id,body,lang,lang\n1,x,en,en\n")
    with pytest.raises(SourceError, match=r"a\.csv: no column 'boddy' for the text; nearest is 'body'"):
        read(path, text_field="boddy")
    with pytest.raises(SourceError, match="2 columns 'lang' for the domain"):
        read(path, text_field="body", domain_field="lang")
    assert read(path, text_field="body")[0] == [{"id": "1", "text": "x", "domain": "default"}]


@pytest.mark.parametrize("raw", [b"\xff\xfet\0e\0x\0t\0\n\0", b'"never closed\n1,2\n', b'"a"b\n1\n'])
def test_a_file_that_begins_with_no_header_is_one_bad_record(tmp_path, raw):
    rows, bad = read(written(tmp_path / "a.csv", raw))
    assert rows == []
    assert [one.cause.partition(":")[0] for one in bad] == ["not readable as CSV"]


def test_empty_cells(tmp_path):
    raw = b"id,text,site\n,a,x\n2,,\n"
    rows, bad = read(written(tmp_path / "a.csv", raw), fields=("site",))
    assert [(row["id"], row["text"], row["site"]) for row in rows] == [("a.csv#13", "a", "x"), ("2", "", "")]
    rows, bad = read(tmp_path / "a.csv", domain_field="site", id_field="id")
    assert rows == []
    assert [one.cause for one in bad] == [
        "field 'id' is no id but an empty string",
        "field 'site' is no domain but an empty string",
    ]


def test_compressed_and_damaged_files(tmp_path):
    raw = b"text\n" + b"".join(b"row %d\n" % n for n in range(5000))
    packed = gzip.compress(raw)
    rows, bad = read(written(tmp_path / "a.csv.gz", packed))
    assert (len(rows), bad) == (5000, [])
    rows, bad = read(written(tmp_path / "a.csv.gz", packed[:-100]))
    assert [row["text"] for row in rows[:-1]] == [f"row {n}" for n in range(len(rows) - 1)]
    assert [one.cause.partition(":")[0] for one in bad] == ["damaged stream"]
    assert read(written(tmp_path / "b.tsv", b"")) == ([], [])


def test_pages_in_a_column(tmp_path):
    source = Source(path=str(written(tmp_path / "a.csv", b"page\n<p>x</p>\n")), html_field="page")
    (unit,) = units([source], lambda found: "x")
    (piece,) = records(unit, source)
    assert piece.rows.to_pylist()[0]["html"] == b"<p>x</p>"
    assert piece.rows.schema == source.schema(pages=True)
