"""JSON lines: however a file is cut the documents are the same, and a bad line costs itself alone."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.errors import SourceError
from corpus.readers import records
from corpus.readers.jsonl import lines
from corpus.source import Extent, Source, Unit
from corpus.units import UNIT_BYTES, content_hash, units


def read(path, unit_bytes=UNIT_BYTES, **settings):
    source, rows, bad = Source(path=str(path), **settings), [], []
    for unit in units([source], lambda found: content_hash(found.url), unit_bytes):
        for piece in records(unit, source):
            assert piece.rows.schema == source.schema()
            rows += piece.rows.to_pylist()
            bad += piece.bad
    return rows, bad


good_lines = st.builds(
    lambda text, key: json.dumps({"text": text} | key, ensure_ascii=False).encode(),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30),
    st.sampled_from([{}, {"id": "a"}, {"id": 7}]),
)
odd_lines = st.sampled_from([b"", b"  \t", b"{", b"[1]", b'{"text": 5}', b'{"text": "\xff"}', b"\xc3\xa9" * 20])
files = st.tuples(
    st.booleans(),
    st.lists(st.tuples(st.one_of(good_lines, odd_lines), st.sampled_from([b"\n", b"\r\n"])), max_size=30),
    st.booleans(),
).map(lambda f: (b"\xef\xbb\xbf" * f[0] + b"".join(a + b for a, b in f[1]))[: None if f[2] else -1])


@settings(max_examples=30)
@given(content=files, unit_bytes=st.integers(1, 400))
def test_how_a_file_is_cut_changes_nothing(tmp_path_factory, content, unit_bytes):
    path = tmp_path_factory.mktemp("cut") / "a.jsonl"
    path.write_bytes(content)
    assert read(path, unit_bytes) == read(path)


@given(content=files, steps=st.lists(st.integers(1, 50), min_size=1), limit=st.integers(1, 60))
def test_how_a_stream_is_blocked_changes_nothing_and_long_lines_are_told(content, steps, limit):
    blocks, offset = [], 0
    while offset < len(content):
        step = steps[len(blocks) % len(steps)]
        blocks.append((offset, content[offset : offset + step]))
        offset += step
    whole = content.split(b"\n") if not content.endswith(b"\n") else content.split(b"\n")[:-1]
    begins = [sum(len(line) + 1 for line in whole[:n]) for n in range(len(whole))]
    expected = [
        (begin, line[:200], len(line) > limit)
        for begin, line in zip(begins, whole, strict=True)
        if len(line) > limit or line.strip()
    ]
    got = [(one.begin, one.raw, one.cause is not None) for one in lines(iter(blocks), limit / 1e6)]
    assert got == expected


@given(st.lists(st.one_of(good_lines, odd_lines), max_size=30))
def test_good_bad_and_blank_are_all_there_is(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("sum") / "a.jsonl"
    path.write_bytes(b"\n".join(content))
    rows, bad = read(path)
    assert len(rows) + len(bad) == sum(bool(line.strip()) for line in content)


FAULTS = {
    b'{"text": "x"': "broken JSON: unexpected end of data",
    b"{'text': 'x'}": "broken JSON: ",
    b'{"text": NaN}': "broken JSON: ",
    b"[" * 5000 + b"]" * 5000: "broken JSON: ",
    b'["text"]': "not a JSON object but a list",
    b'"text"': "not a JSON object but ",
    b"null": "not a JSON object but null",
    b'{"txt": "x"}': "no field 'text': nearest is 'txt'",
    b'{"zzz": "x"}': "no field 'text': there are: 'zzz'",
    b"{}": "no field 'text': there are none",
    b'{"text": null}': "field 'text' is not a string but null",
    b'{"text": 5}': "field 'text' is not a string but a number",
    b'{"text": true}': "field 'text' is not a string but a boolean",
    b'{"text": ["x"]}': "field 'text' is not a string but a list",
    b'{"text": "caf\xe9"}': "invalid UTF-8",
    b'{"text": "\xed\xa0\x80"}': "invalid UTF-8",
    b'{"text": "\\ud800"}': "lone surrogate",
    b'{"text": "\\udc00\\ud800"}': "lone surrogate",
    b'{"text": "a\\u0000b"}': "NUL in the text",
    b'{"text": "a\0b"}': "NUL in the text",
    b'{"text": "' + b"x" * 200_000 + b'"}': "longer than max_record_mb = 0.1",
}


@pytest.mark.parametrize(("line", "cause"), FAULTS.items(), ids=lambda v: str(v)[:30])
def test_each_fault_is_named_and_its_neighbours_are_kept(tmp_path, line, cause):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"text": "before"}\n' + line + b'\n{"text": "after"}')
    rows, bad = read(path, max_record_mb=0.1)
    assert [row["text"] for row in rows] == ["before", "after"]
    assert [(one.file, one.offset) for one in bad] == [("a.jsonl", 19)]
    assert bad[0].cause.startswith(cause)
    assert bad[0].sample == repr(line[:200])[2:-1]


def test_ids_are_the_records_own_or_the_place(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "", "id": "x"}\n{"text": "", "id": 12}\n{"text": "", "id": 1.5}\n\n{"text": ""}\n')
    rows, bad = read(path)
    assert [row["id"] for row in rows] == ["x", "12", "a.jsonl#47", "a.jsonl#72"]
    assert bad == []


def test_an_id_or_domain_that_was_asked_for_must_be_there(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "", "key": "x", "d": "news"}\n{"text": "", "key": 3.5, "d": "news"}\n{"text": ""}\n')
    rows, bad = read(path, id_field="key")
    assert [row["id"] for row in rows] == ["x"]
    assert [one.cause for one in bad] == [
        "field 'key' is no id but a number",
        "no field 'key' for the id: there are: 'text'",
    ]
    rows, bad = read(path, domain_field="d")
    assert [row["domain"] for row in rows] == ["news", "news"]
    assert bad[0].cause.startswith("no field 'd' for the domain")


def test_fields_are_kept_as_strings(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "t", "m": {"b": 1, "a": [true, null, "é"]}, "s": "plain", "n": 5, "z": null}\n')
    rows, _ = read(path, fields=["m", "s", "n", "z", "absent"], domain="d")
    kept = {"m": '{"a":[true,null,"é"],"b":1}', "s": "plain", "n": "5", "z": None, "absent": None}
    assert rows == [{"id": "a.jsonl#0", "text": "t", "domain": "d"} | kept]


def test_a_field_too_deep_for_json_is_quarantined(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "t", "m": ' + "[" * 600 + "]" * 600 + "}\n")
    assert read(path)[1] == []
    assert read(path, fields=["m"])[1][0].cause.startswith("a field cannot be kept as JSON: ")


@pytest.mark.parametrize(
    ("good", "bad", "raises"), [(500, 500, False), (499, 501, True), (0, 99, False), (49, 51, True)]
)
def test_a_source_that_is_mostly_bad_is_refused_with_the_reason(tmp_path, good, bad, raises):
    path = tmp_path / "a.jsonl"
    path.write_text('{"body": "x"}\n' * bad + '{"text": "x"}\n' * good)
    if not raises:
        assert len(read(path)[0]) == good
        return
    with pytest.raises(SourceError, match=f"{bad} of the first {good + bad:,} .* no field 'text': .*'body'"):
        read(path)


def test_bad_records_after_the_first_thousand_do_not_stop_a_unit(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "x"}\n' * 1000 + "{\n" * 30_000)
    rows, bad = read(path)
    assert (len(rows), len(bad)) == (1000, 30_000)


def test_pieces_are_bounded_in_bytes_and_in_bad_records(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "%s"}\n' % ("x" * 100_000) * 300 + '{"text": ""}\n' * 1000 + "{\n" * 25_000)
    source = Source(path=str(path))
    (unit,) = units([source], lambda found: "x")
    for piece in records(unit, source):
        assert piece.rows.nbytes < 9_000_000
        assert len(piece.bad) <= 10_000


def test_a_file_that_shrank_since_planning_is_refused(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "x"}\n')
    unit = Unit(0, "jsonl", (Extent(str(path), "a.jsonl", 50, 100),), "key", 50)
    with pytest.raises(SourceError, match="14 bytes, but 100 or more when the run was planned"):
        list(records(unit, Source(path=str(path))))
