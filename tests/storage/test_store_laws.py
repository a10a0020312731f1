"""Laws of stores that need no server: a pattern, a file and a seek mean what they mean on a disk."""

from io import BytesIO

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from corpus import remote, storage

trees = st.sets(st.lists(st.sampled_from(["a", "b.x", ".h", "ab"]), min_size=1, max_size=4).map(tuple), max_size=8)
parts = st.sampled_from(["a", "*", "**", "?", "*.x", "[ab]", "a*", ".*", "b.x"])
patterns = st.lists(parts, min_size=1, max_size=4).map("/".join)


@given(trees, patterns)
@example({("a",)}, "**/*/**")
@example({("a", "a")}, "a/**/**")
@example({("a",)}, "a/**")
def test_a_pattern_means_in_a_store_what_it_means_on_a_disk(tmp_path_factory, paths, pattern):
    files = {p for p in paths if not any(p == other[: len(p)] for other in paths if len(other) > len(p))}
    here, there = str(tmp_path_factory.mktemp("globs")), "memory://globs"
    storage.remove(there)
    for path in files:
        for root in (here, there):
            storage.write_bytes(storage.join(root, *path), b"x")
    found = [
        {one.url.split("globs", 1)[1].lstrip("0123456789") for one in storage.glob(f"{r}/{pattern}")}
        for r in (here, there)
    ]
    assert found[0] == found[1]


@given(st.binary(min_size=1, max_size=400), st.lists(st.tuples(st.integers(0, 420), st.integers(0, 99)), max_size=30))
def test_a_remote_file_reads_as_any_file_does(content, reads):
    storage.write_bytes("memory://reads/a", content)
    with storage.opened("memory://reads/a") as file, pytest.MonkeyPatch.context() as small:
        small.setattr(remote, "LEAST", 8)
        small.setattr(remote, "MOST", 64)
        raw, plain = file.raw, BytesIO(content)
        for place, size in reads:
            assert raw.seek(place) == plain.seek(place)
            got = raw.read(size)
            assert got == plain.read(size)[: len(got)]
            assert got or place >= len(content) or not size
        raw.seek(0)
        assert raw.readall() == content


@pytest.mark.parametrize("root", ["file", "memory"])
def test_sizes_are_of_the_files_in_a_folder_and_of_no_others(root, tmp_path):
    root = str(tmp_path) if root == "file" else "memory://sizes"
    for name in ("a", "bb", "sub/ccc"):
        storage.write_bytes(storage.join(root, name), name.encode())
    assert storage.sizes(root) == {"a": 1, "bb": 2}
    assert storage.sizes(storage.join(root, "none")) == {}


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("s3://bucket/a?b/c#d.jsonl", "bucket/a?b/c#d.jsonl"),  # both are characters of a key
        ("https://host/a.jsonl.gz?download=1", "https://host/a.jsonl.gz"),
        ("hf://datasets/a/b@main/c.parquet", "datasets/a/b@main/c.parquet"),
        ("/a/b", "/a/b"),
        ("file:///a/b", "/a/b"),
    ],
)
def test_where_a_url_lies_is_told_without_asking_the_store(url, path):
    assert storage.located(url) == path
