"""Fields inside fields, by dotted names: what is found, what wins, and what an error says is near."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.errors import SourceError
from corpus.readers import parquet, records
from corpus.readers.paths import ABSENT, lacking, within
from corpus.source import Source
from corpus.units import content_hash, units

RECORDS = [
    {"id": "a", "body": {"text": "one", "lang": {"name": "en"}}, "meta": {"url": "http://a.com", "tags": ["x", "y"]}},
    {"id": "b", "body": {"text": "two", "lang": {"name": "de"}}, "meta": None},
    {"id": "c", "body": {"text": "drei", "lang": {"name": "de"}}, "meta": {"url": None, "tags": []}},
]
NAMED = {"text_field": "body.text", "domain_field": "body.lang.name"}
names = st.text("ab.", min_size=1, max_size=5)


def as_jsonl(folder, rows):
    path = folder / "a.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def as_parquet(folder, rows, **options):
    path = folder / "a.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path, **options)
    return path


def read(path, **named):
    source, rows, bad = Source(path=str(path), **named), [], []
    for unit in units([source], lambda found: content_hash(found.url)):
        for piece in records(unit, source):
            assert piece.rows.schema == source.schema()
            rows += piece.rows.to_pylist()
            bad += [one.cause for one in piece.bad]
    return rows, bad


@pytest.mark.parametrize("write", [as_jsonl, as_parquet])
def test_every_setting_that_names_a_field_reaches_into_objects(tmp_path, write):
    path = write(tmp_path, RECORDS)
    fields = ("meta.url", "meta.tags", "body.lang", "meta")
    rows, bad = read(path, **NAMED, fields=fields)
    assert bad == []
    assert [(row["id"], row["text"], row["domain"]) for row in rows] == [
        ("a", "one", "en"),
        ("b", "two", "de"),
        ("c", "drei", "de"),
    ]
    whole = '{"tags":["x","y"],"url":"http://a.com"}'
    assert [rows[0][name] for name in fields] == ["http://a.com", '["x","y"]', '{"name":"en"}', whole]
    assert [rows[1][name] for name in fields] == [None, None, '{"name":"de"}', None]
    assert rows[2]["meta.tags"] == "[]"
    by_name, _ = read(path, **NAMED, id_field="body.text")
    assert [row["id"] for row in by_name] == ["one", "two", "drei"]


@pytest.mark.parametrize("write", [as_jsonl, as_parquet])
def test_a_key_that_holds_the_dots_itself_wins_at_every_level(tmp_path, write):
    row = {"text": "x", "m.url": "plain", "m": {"url": "nested", "a.b": "plain", "a": {"b": "nested"}}}
    rows, _ = read(write(tmp_path, [row]), fields=("m.url", "m.a.b", "m"))
    assert (rows[0]["m.url"], rows[0]["m.a.b"]) == ("plain", "plain")
    assert json.loads(rows[0]["m"]) == row["m"]


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("body.txt", "in 'body' nearest is 'text'"),
        ("body.lang.nam", "in 'body.lang' nearest is 'name'"),
        ("boddy.text", "nearest is 'body'"),
        ("body.zzz", "in 'body' there are: "),
        ("id.text", "'id' has no fields of its own"),
        ("body.text.x", "'body.text' has no fields of its own"),
        ("txt", "there are: "),
    ],
)
def test_an_error_names_what_is_near_at_the_level_that_fails(tmp_path, name, near):
    rows, bad = read(as_jsonl(tmp_path, RECORDS[:1]), text_field=name)
    assert rows == []
    assert bad[0].startswith(f"no field {name!r}: {near}")
    with pytest.raises(SourceError, match="no column") as error:
        read(as_parquet(tmp_path, RECORDS[:1]), text_field=name)
    assert f"no column {name!r} for the text; {near}" in str(error.value)


def test_a_nested_field_of_a_wrong_type_is_named(tmp_path):
    said = "no field 'body.topic' for the domain: in 'body' there are: 'text', 'lang'"
    assert read(as_jsonl(tmp_path, RECORDS[:1]), text_field="body.text", domain_field="body.topic")[1] == [said]
    causes = read(as_jsonl(tmp_path, RECORDS), text_field="meta.url")[1]
    assert causes == [
        "no field 'meta.url': 'meta' has no fields of its own",
        "field 'meta.url' is not a string but null",
    ]
    rows, causes = read(as_parquet(tmp_path, RECORDS), text_field="meta.url")
    assert ([row["text"] for row in rows], causes) == (["http://a.com"], ["column 'meta.url' is null"] * 2)
    with pytest.raises(SourceError, match=r"column 'meta\.tags' holds list<.*>, which cannot be the text"):
        read(as_parquet(tmp_path, RECORDS), text_field="meta.tags")


def test_a_name_that_leads_two_ways_in_parquet_is_refused(tmp_path):
    twice = pa.StructArray.from_arrays([pa.array(["x"]), pa.array(["y"])], names=["url", "url"])
    pq.write_table(pa.table({"text": ["t"], "meta": twice}), tmp_path / "a.parquet")
    with pytest.raises(SourceError, match=r"2 columns 'meta\.url' for the field"):
        read(tmp_path / "a.parquet", fields=("meta.url",))


def test_long_nested_strings_in_a_dictionary_page_are_seen_before_they_are_read(tmp_path, monkeypatch):
    """400 rows of 1 MB each that all point at one string: not all are laid out at once, as for a plain column."""
    rows = [{"id": f"d{n}", "body": {"text": "x" * 1_000_000}} for n in range(400)]
    source = Source(path=str(as_parquet(tmp_path, rows, compression="zstd")), text_field="body.text")
    (unit,) = units([source], lambda found: content_hash(found.url))
    monkeypatch.setattr(parquet, "flat", (seen := Seen(parquet.flat)))
    assert sum(len(piece.rows) for piece in records(unit, source)) == 400
    assert max(seen.sizes) <= 128_000_000


class Seen:
    """Bytes of every batch that the reader takes out of its structs."""

    def __init__(self, flat):
        self.flat, self.sizes = flat, []

    def __call__(self, batch, paths):
        self.sizes.append(batch.nbytes)
        return self.flat(batch, paths)


nested = st.recursive(st.integers() | st.none(), lambda inner: st.dictionaries(names, inner, max_size=4), max_leaves=12)


@settings(max_examples=300)
@given(st.dictionaries(names, nested, max_size=4), names)
def test_a_path_is_followed_as_its_meaning_says(record, path):
    """The meaning, by recursion: the key itself, else the rest of the path in the object before the first dot."""

    def meant(held, path):
        if path in held:
            return held[path]
        head, dot, rest = path.partition(".")
        return meant(held[head], rest) if dot and type(held.get(head)) is dict else ABSENT

    assert within(record, path) == meant(record, path)
    if meant(record, path) is ABSENT:
        assert lacking(record, path)
        assert within(record, path, None) is None
