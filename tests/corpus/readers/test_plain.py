"""Plain lines: what the kernel reads is what the reader's own way makes of the same bytes, to the last offset."""

import json

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from corpus.readers import jsonl, records
from corpus.readers.plain import PlainPiece, reads
from corpus.source import Extent, Source, Unit

FIELDS = ("url", "n")


def read(path, source):
    unit = Unit(0, "jsonl", (Extent(str(path), "a.jsonl", 0, path.stat().st_size),), "key", 1)
    pieces = list(records(unit, source))
    rows = [row for piece in pieces for row in piece.rows.to_pylist()]
    for piece in pieces:
        piece.rows.validate(full=True)
    return rows, [bad for piece in pieces for bad in piece.bad]


def both_ways(path, content, source):
    """What is read with plain lines taken apart, and without."""
    path.write_bytes(content)
    taken = read(path, source)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jsonl, "reads", lambda source: False)
        return taken, read(path, source)


def taken(line, **settings):
    """The rows of one line if it is plain, else nothing."""
    piece = PlainPiece(Source(path="x", **settings))
    piece.plain(line + b"\n", 0, 7, 1 << 40, 1 << 20, "f")
    return piece.take().rows.to_pylist()


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
numbers = st.one_of(
    st.integers(-(10**22), 10**22).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.sampled_from(["-0", "01", "1.", ".5", "-", "1e5", "1E400", "0.10", "-1.5", "9" * 60, "999999999999999999"]),
)
escapes = st.sampled_from([
    "\\n", "\\/", "\\u00e9", "\\ud83d\\ude00", "\\ud83d", "\\ude00\\ud83d", "\\u0000", "\\x", "\\u12", '\\"', "\\\\",
    "\x00", "\x1f", "\x7f", "\t", "é", "漢", "\U0001f600",
])  # fmt: skip
strings = st.one_of(
    texts.map(json.dumps),
    texts.map(lambda text: orjson.dumps(text).decode()),
    st.lists(st.one_of(escapes, st.text("abc ", max_size=40)), max_size=6).map(lambda parts: f'"{"".join(parts)}"'),
)
values = st.recursive(
    st.one_of(strings, numbers, st.sampled_from(["null", "true", "false", "nul", "True", "[1,]", "{,}", "[", ""])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda parts: f"[{', '.join(parts)}]"),
        st.lists(st.tuples(strings, inner), max_size=3).map(
            lambda parts: f"{{ {','.join(f'{key} : {value}' for key, value in parts)} }}"
        ),
    ),
    max_leaves=6,
)
keys = st.one_of(st.sampled_from(['"text"', '"id"', '"url"', '"n"', '"te\\u0078t"', '"d"', '""']), strings)


def written(parts, text, has_text, space):
    """One object, its text last, or without one."""
    members = [*parts, *([('"text"', text)] * has_text)]
    return "{" + f"{space},{space}".join(f"{key}{space}:{space}{value}" for key, value in members) + "}"


objects = st.builds(
    written,
    st.lists(st.tuples(keys, values), max_size=4),
    strings,
    st.booleans(),
    st.sampled_from(["", " ", "\t\r"]),
)
broken_bytes = st.sampled_from(
    [b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\xe2\x82", b"\xef\xbb\xbf"]
)
hostile = st.one_of(
    objects.map(str.encode),
    st.tuples(objects, st.integers(0, 300)).map(lambda o: o[0].encode()[: o[1]]),
    st.tuples(objects, broken_bytes, st.integers(0, 300)).map(
        lambda o: o[0].encode()[: o[2]] + o[1] + o[0].encode()[o[2] :]
    ),
    st.sampled_from(
        [b"", b"  ", b"\x0b\x0c", b"[1]", b'{"text": "x"}', b'{"text": "x"} x', b'\xef\xbb\xbf{"text": "x"}']
    ),
)
sources = st.sampled_from([
    {}, {"fields": FIELDS}, {"id_field": "id"}, {"domain_field": "d", "fields": ("url",)}, {"domain": "é"},
    {"text_field": "url"}, {"text_field": "m.x"}, {"fields": ("text",)}, {"max_record_mb": 0.00005},
])  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(content=st.lists(hostile, max_size=12), asked=sources)
@example(content=[b'{"text": "a"}', b'{"text": "b", "text": 5}', b'{"text": "c", "id": 007}'], asked={})
def test_plain_or_not_the_documents_faults_and_offsets_are_those_of_the_slow_way(tmp_path_factory, content, asked):
    path = tmp_path_factory.getbasetemp() / "hostile.jsonl"
    fast, slow = both_ways(path, b"\n".join(content) + b'\n{"text": "last"}' * 3, Source(path="x", **asked))
    assert fast == slow


@given(objects)
def test_a_line_that_is_taken_is_valid_json_and_its_text_is_orjsons(line):
    rows = taken(line.encode())
    if rows:
        record = orjson.loads(line)
        assert rows[0]["text"] == record["text"]
        wanted = record.get("id")
        assert rows[0]["id"] == (str(wanted) if type(wanted) in (str, int) else "f#7")


def test_what_is_common_is_plain():
    text = '{"text": "caf\\u00e9 \\ud83d\\ude00\\n\\"漢\\"", "s": 0.93, '
    line = text + '"url": "http://x.org/\\u00e9?a=1", "n": -12, "meta": {"a": [1.5, {}, [], {"b": [null, true]}]}}'
    (row,) = taken(line.encode(), fields=FIELDS)
    kept = {"text": 'café \U0001f600\n"漢"', "domain": "default", "url": "http://x.org/é?a=1", "n": "-12"}
    assert row == {"id": "f#7"} | kept


@pytest.mark.parametrize(
    "line",
    [
        b'{"text": "x", "text": "y"}',
        b'{"text": "a\\u0000b"}',
        b'{"text": "\\ud800"}',
        b'{"text": "x", "n": 1e5}',
        b'{"text": "x", "id": 12345678901234567890}',
        b'{"text": "x", "id": -0}',
        b'{"text": "x", "m": ' + b"[" * 61 + b"]" * 61 + b"}",
        b'{"text": null}',
        b'{"id": "x"}',
    ],
)
def test_what_python_must_decide_is_left(line):
    assert taken(line) == []


def test_a_path_into_an_object_and_a_text_that_is_a_field_as_well_are_read_the_slow_way():
    assert reads(Source(path="x", fields=("a", "b"), domain_field="a"))
    assert not reads(Source(path="x", text_field="m.text"))
    assert not reads(Source(path="x", fields=("m.url",)))
    assert not reads(Source(path="x", fields=("text",)))
    assert not reads(Source(path="x", text_field="id"))


def test_lines_of_every_length_round_the_lanes(tmp_path):
    content = b"".join(
        orjson.dumps({"text": "x" * n + mark + "y" * (n % 7), "id": n}) + b"\n"
        for n in range(140)
        for mark in ("", '"', "\n", "é", "漢é", "a é b")
    )
    fast, slow = both_ways(tmp_path / "a.jsonl", content, Source(path="x"))
    assert fast == slow
    assert len(fast[0]) == 840


def test_ids_and_fields_larger_than_their_room_and_more_rows_than_a_piece_begins_with(tmp_path):
    long = orjson.dumps({"id": "i" * 3_000_000, "text": "t", "url": "u" * 3_000_000}) + b"\n"
    content = long * 2 + b'{"text":""}\n' * 70_000 + orjson.dumps({"text": "x" * 14_000_000}) + b"\n" + long
    fast, slow = both_ways(tmp_path / "a.jsonl", content, Source(path="x", fields=("url",)))
    assert fast == slow
    assert len(fast[0]) == 70_004
