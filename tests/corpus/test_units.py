"""Units: every byte and row group in exactly one of them, and keys that cover what documents depend on."""

import json
import re

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.errors import RecipeError, SourceError
from corpus.source import Source
from corpus.units import content_hash, units


def cut(*sources, unit_bytes=64_000_000):
    return units(sources, lambda found: content_hash(found.url), unit_bytes)


def names(found):
    return [extent.name for unit in found for extent in unit.extents]


@given(size=st.integers(0, 300), unit_bytes=st.integers(1, 400))
def test_ranges_tile_a_plain_file(tmp_path_factory, size, unit_bytes):
    path = tmp_path_factory.mktemp("u") / "a.jsonl"
    path.write_bytes(b"\n" * size)
    found = cut(Source(path=str(path)), unit_bytes=unit_bytes)
    edges = [(unit.extents[0].start, unit.extents[0].end) for unit in found]
    assert [start for start, _ in edges] == [0, *[end for _, end in edges[:-1]]]
    assert edges[-1][1] == size == sum(unit.stored_bytes for unit in found)
    assert len({unit.key for unit in found}) == len(found)


@given(groups=st.integers(1, 12), rows=st.integers(1, 30), unit_bytes=st.integers(1, 3000))
def test_row_groups_tile_a_parquet_file(tmp_path_factory, groups, rows, unit_bytes):
    path = tmp_path_factory.mktemp("u") / "a.parquet"
    pq.write_table(pa.table({"text": ["word"] * (groups * rows)}), path, row_group_size=rows)
    found = cut(Source(path=str(path)), unit_bytes=unit_bytes)
    covered = [g for unit in found for g in range(unit.extents[0].start, unit.extents[0].end)]
    assert covered == list(range(groups))
    assert sum(unit.stored_bytes for unit in found) == path.stat().st_size


def test_text_files_are_bunched_by_bytes_and_by_number(tmp_path):
    for n in range(5):
        with (tmp_path / f"{n}.txt").open("wb") as file:
            file.truncate(15_000_000)
    for n in range(5000):
        (tmp_path / f"small{n:04}.md").touch()
    found = units([Source(path=str(tmp_path))], lambda file: "x")
    assert [len(unit.extents) for unit in found] == [2, 2, 4096, 905]
    assert names(found) == sorted(names(found))


def test_a_compressed_stream_is_one_unit_to_its_end(tmp_path):
    (tmp_path / "a.jsonl.gz").write_bytes(bytes(1000))
    (unit,) = cut(Source(path=str(tmp_path / "a.jsonl.gz")), unit_bytes=10)
    assert (unit.extents[0].start, unit.extents[0].end, unit.stored_bytes) == (0, -1, 1000)


def test_formats_are_told_by_suffix_or_set(tmp_path):
    for name in ("a.jsonl", "b.json.gz", "c.NDJSON.zst", "d.md", "e.py.gz", "f.rs"):
        (tmp_path / name).touch()
    pq.write_table(pa.table({"text": ["x"]}), tmp_path / "g.parquet")
    found = cut(Source(path=str(tmp_path / "*")))
    assert [unit.format for unit in found] == ["jsonl"] * 3 + ["parquet", "text"]
    (unit,) = cut(Source(path=str(tmp_path / "a.jsonl"), format="text"))
    assert unit.format == "text"


def test_a_folder_means_what_lies_below_it_and_can_be_read(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    for name in ("x.jsonl", "a/y.jsonl", "a/b/z.txt", "a/page.1", "a/picture.png", "a/packed.parquet.gz"):
        (tmp_path / name).touch()
    assert names(cut(Source(path=str(tmp_path)))) == ["a/y.jsonl", "x.jsonl", "a/b/z.txt"]
    assert names(cut(Source(path=f"{tmp_path}/"))) == ["a/y.jsonl", "x.jsonl", "a/b/z.txt"]
    assert len(names(cut(Source(path=str(tmp_path), format="text")))) == 6


def test_a_folder_without_anything_to_read_is_refused(tmp_path):
    (tmp_path / "picture.png").touch()
    with pytest.raises(SourceError, match=r"holds no file of a known suffix: .*jsonl \(\.jsonl"):
        cut(Source(path=str(tmp_path)))


def test_an_unknown_suffix_is_refused_with_the_known_ones(tmp_path):
    (tmp_path / "a.xyz").touch()
    with pytest.raises(SourceError, match=r"a\.xyz: no format has this suffix.*\.parquet.*\.txt.*`format`"):
        cut(Source(path=str(tmp_path / "*")))


def test_a_pattern_that_matches_nothing_names_what_was_meant(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "pages.jsonl").touch()
    for missing in ("data/page.jsonl", "data/pagez*.jsonl", "dta/*.jsonl", "dta/deep/er.jsonl"):
        with pytest.raises(SourceError, match=r"no file matches.*nearest is '(pages\.jsonl|data)'"):
            cut(Source(path=str(tmp_path / missing)))


def test_overlapping_patterns_take_each_file_once(tmp_path):
    for name in ("a.jsonl", "b.jsonl"):
        (tmp_path / name).touch()
    both = Source(path=[str(tmp_path / "b.*"), str(tmp_path / "*.jsonl"), str(tmp_path / "a.jsonl")])
    assert names(cut(both)) == ["a.jsonl", "b.jsonl"]


def test_files_of_one_source_never_share_a_name(tmp_path):
    for folder in ("en", "de"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "part.jsonl").write_text("{}")
    two = Source(path=[str(tmp_path / "en" / "*.jsonl"), str(tmp_path / "de" / "part.jsonl")])
    assert names(cut(two)) == ["de/part.jsonl", "en/part.jsonl"]


def test_equal_files_of_two_sources_have_keys_of_their_own(tmp_path):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.jsonl").write_text('{"text": "same"}')
    found = cut(Source(path=str(tmp_path / "one" / "*")), Source(path=str(tmp_path / "two" / "*")))
    assert [unit.source for unit in found] == [0, 1]
    assert found[0].key != found[1].key


def test_keys_cover_content_name_extent_and_settings_but_not_the_place(tmp_path):
    def keys(folder, name="a.jsonl", content=b"x" * 50, unit_bytes=64_000_000, **settings):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / name).write_bytes(content)
        return [u.key for u in cut(Source(path=str(tmp_path / folder / name), **settings), unit_bytes=unit_bytes)]

    here = keys("here")
    assert keys("there") == here == keys("here")
    others = [
        keys("here", content=b"y" * 50),
        keys("here", name="b.jsonl"),
        keys("here", unit_bytes=49)[:1],
        *[keys("here", **{name: "z"}) for name in ("domain", "domain_field", "text_field", "id_field")],
        keys("here", fields=["z"]),
        keys("here", format="text"),
        keys("here", max_record_mb=1),
    ]
    seen = {json.dumps(one) for one in [here, *others]}
    assert len(seen) == 1 + len(others)


@given(name=st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/[*?"), min_size=1, max_size=50))
def test_keys_are_file_names(tmp_path_factory, name):
    path = tmp_path_factory.mktemp("k") / f"{name}.jsonl"
    path.touch()
    (unit,) = cut(Source(path=str(path)))
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,40}-[0-9a-f]{16}", unit.key)


def test_a_golden_key(tmp_path):
    """Finished work is found by its key: if this changes, raise corpus.source.VERSION."""
    (tmp_path / "a.jsonl").write_text('{"text": "x"}\n')
    (unit,) = cut(Source(path=str(tmp_path / "a.jsonl"), domain="d"))
    assert unit.key == "a-4aee8f8a11f596b2"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"domain": "a", "domain_field": "b"}, "both domain 'a' and domain_field 'b' are set"),
        ({"fields": ["url", "text"]}, "fields cannot hold text: Winnow lays"),
        ({"fields": ["url", "url"]}, "fields cannot hold url: named twice"),
        ({"max_record_mb": 0}, "max_record_mb is 0"),
        ({"format": "parket"}, "no format 'parket'; nearest is 'parquet'"),
    ],
)
def test_settings_that_do_not_fit_are_refused(tmp_path, settings, said):
    (tmp_path / "a.jsonl").touch()
    with pytest.raises(RecipeError, match=said):
        cut(Source(path=str(tmp_path), **settings))


def test_content_hash_is_of_the_bytes_alone(tmp_path):
    for name, content in (("a", b"x" * 9_000_000), ("b", b"x" * 9_000_000), ("c", b"x" * 8_999_999)):
        (tmp_path / name).write_bytes(content)
    a, b, c = (content_hash(str(tmp_path / name)) for name in "abc")
    assert a == b != c
    (tmp_path / "empty").touch()
    assert content_hash(str(tmp_path / "empty")) == "af1349b9f5f9a1a6a0404dea36dcc949"  # BLAKE3 of nothing
    with pytest.raises(SourceError, match="cannot be read"):
        content_hash(str(tmp_path / "missing"))


def test_other_stores_are_read_alike():
    import fsspec

    memory = fsspec.filesystem("memory")
    memory.pipe({"/bucket/a/x.jsonl": b"{}", "/bucket/b/y.jsonl": b"{}"})
    try:
        found = cut(Source(path="memory://bucket/**/*.jsonl"))
        assert names(found) == ["a/x.jsonl", "b/y.jsonl"]
        assert found[0].extents[0].url == "memory:///bucket/a/x.jsonl"
    finally:
        memory.rm("/bucket", recursive=True)
