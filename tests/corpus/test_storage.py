"""Storage: what exists is whole, and the same calls work on every store."""

import os
from contextlib import suppress

import fsspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus import storage


@pytest.fixture(params=["file", "memory"])
def root(request, tmp_path):
    """A folder of a local and of an object-like store."""
    if request.param == "file":
        yield str(tmp_path)
        return
    yield "memory://house"
    memory = fsspec.filesystem("memory")
    if memory.exists("/house"):
        memory.rm("/house", recursive=True)


@given(content=st.binary(max_size=200))
def test_what_is_written_is_read(tmp_path_factory, content):
    url = storage.join(str(tmp_path_factory.mktemp("s")), "a", "b.bin")
    storage.write_bytes(url, content)
    assert storage.read_bytes(url) == content


def test_a_file_written_twice_holds_the_second(root):
    url = storage.join(root, "a")
    storage.write_bytes(url, b"a long first one")
    storage.write_bytes(url, b"second")
    assert storage.read_bytes(url) == b"second"


def test_a_write_that_fails_leaves_nothing_and_spoils_nothing(root):
    url = storage.join(root, "folder", "a")

    def fail(old):
        with suppress(RuntimeError), storage.whole(url) as file:
            file.write(b"half")
            raise RuntimeError
        assert storage.names(storage.join(root, "folder")) == old

    fail(set())
    storage.write_bytes(url, b"whole")
    fail({"a"})
    assert storage.read_bytes(url) == b"whole"


def test_an_unfinished_write_is_invisible_until_it_ends(root):
    url = storage.join(root, "a")
    with storage.whole(url) as file:
        file.write(b"x")
        assert not storage.exists(url)
        assert storage.names(root) == set()
        assert storage.glob(storage.join(root, "*")) == []
    assert storage.names(root) == {"a"}


def test_sweep_removes_what_a_kill_left_and_nothing_else(tmp_path):
    storage.write_bytes(str(tmp_path / "sub" / "a"), b"whole")
    context = storage.whole(str(tmp_path / "sub" / "b"))
    file = context.__enter__()  # as if the process died here
    file.close()
    assert len(os.listdir(tmp_path / "sub")) == 2
    assert storage.sweep(str(tmp_path)) == 1
    assert os.listdir(tmp_path / "sub") == ["a"]
    assert storage.sweep(str(tmp_path)) == 0
    assert storage.sweep("memory://house") == 0


def test_glob_gives_files_sorted_with_size_and_stamp(root):
    for name in ("b.txt", "a.txt", "sub/c.txt", "d.md"):
        storage.write_bytes(storage.join(root, name), name.encode())
    found = storage.glob(storage.join(root, "**", "*.txt"))
    assert [one.url.rsplit("/", 1)[1] for one in found] == ["a.txt", "b.txt", "c.txt"]
    assert [one.size for one in found] == [5, 5, 9]
    assert [storage.read_bytes(one.url) for one in found] == [b"a.txt", b"b.txt", b"sub/c.txt"]
    assert storage.glob(storage.join(root, "sub")) == []  # a folder is not a file
    assert storage.glob(storage.join(root, "missing")) == []
    assert len(storage.glob(storage.join(root, "d.md"))) == 1


def test_the_stamp_moves_with_the_content(tmp_path):
    path = tmp_path / "a"
    path.write_text("one")
    (before,) = storage.glob(str(path))
    path.write_text("two")
    os.utime(path, ns=(1, int(before.stamp) + 1))
    (after,) = storage.glob(str(path))
    assert (before.size, before.url) == (after.size, after.url)
    assert before.stamp != after.stamp


def test_removing_is_fine_where_there_is_nothing(root):
    storage.write_bytes(storage.join(root, "sub", "a"), b"x")
    storage.remove(storage.join(root, "sub"))
    storage.remove(storage.join(root, "sub"))
    assert not storage.exists(storage.join(root, "sub", "a"))
    assert storage.names(storage.join(root, "sub")) == set()


def test_paths_and_urls_join_alike():
    assert storage.join("/a/", "b", "c") == "/a/b/c"
    assert storage.join("s3://bucket", "key") == "s3://bucket/key"
    assert storage.is_local("/a/b")
    assert storage.is_local("file:///a")
    assert not storage.is_local("memory://a")


def test_two_colons_in_a_name_are_a_name(tmp_path):
    url = str(tmp_path / "Algorithm::Diff.txt")
    storage.write_bytes(url, b"x")
    assert storage.read_bytes(url) == b"x"
    assert [found.url for found in storage.glob(str(tmp_path / "*.txt"))] == [url]
