"""Web servers: read only, by parts where they give parts, whole where they do not, and never a wrong byte."""

import functools
import http.server
import os
import threading

import pytest

from corpus import storage, store_http
from corpus.errors import RecipeError, SourceError
from corpus.retries import StoreError
from tests.storage.servers import Trouble, files, served

pytest.importorskip("aiohttp", reason="aiohttp is not installed: pip install 'winnow[http]'")

BODY = os.urandom(3_000_000)


@pytest.fixture
def web():
    """A server with ranges, and what it serves."""
    content = {"/a.bin": BODY, "/empty": b"", "/a b%c/é.bin": b"odd"}
    with served(files(content)) as front:
        front.content = content
        yield front


@pytest.fixture
def bare(tmp_path):
    """Python's own http.server, which knows no ranges."""
    (tmp_path / "a.bin").write_bytes(BODY)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    class Patient(http.server.ThreadingHTTPServer):
        def handle_error(self, *_):  # a client that leaves before the end of a file is what is tested
            pass

    server = Patient(("127.0.0.1", 0), functools.partial(Quiet, directory=tmp_path))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_parts_are_asked_for_and_only_those_that_are_needed(web):
    with storage.opened(f"{web.url}/a.bin") as file:
        file.seek(-1_000, os.SEEK_END)
        assert file.read() == BODY[-1_000:]
        file.seek(1_000_000)
        assert file.read(10) == BODY[1_000_000:1_000_010]
    assert web.bytes_asked() < 100_000
    assert storage.read_bytes(f"{web.url}/a.bin") == BODY


def test_a_file_is_found_with_a_stamp_that_moves_with_its_content(web):
    (before,) = storage.glob(f"{web.url}/a.bin")
    assert before.size == len(BODY)
    web.content["/a.bin"] = BODY[::-1]
    (after,) = storage.glob(f"{web.url}/a.bin")
    assert before.stamp != after.stamp
    assert storage.glob(f"{web.url}/none") == []
    assert storage.exists(f"{web.url}/a.bin")
    assert not storage.is_folder(f"{web.url}/a.bin")


def test_odd_names_and_empty_files_are_read(web):
    assert storage.read_bytes(f"{web.url}/empty") == b""
    assert storage.read_bytes(f"{web.url}/a%20b%25c/é.bin") == b"odd"


def test_a_server_that_fails_for_a_while_is_asked_again_and_a_broken_part_alone(web, hasty):
    web.troubles = [Trouble("GET", 503, 2), Trouble("GET", "cut", 2, after=4), Trouble("GET", 429, 1, after=8)]
    with storage.opened(f"{web.url}/a.bin") as file:
        assert b"".join(iter(lambda: file.read(50_000), b"")) == BODY
    assert web.bytes_asked() < 3 * len(BODY)


def test_a_failing_server_is_not_a_missing_file(web, hasty):
    web.troubles = [Trouble("GET", 503, 1_000)]
    with pytest.raises(StoreError, match="asked 7 times"):
        storage.exists(f"{web.url}/a.bin")


def test_a_file_that_changes_while_it_is_read_is_not_mixed(web):
    with storage.opened(f"{web.url}/a.bin") as file:
        file.read(10)
        web.content["/a.bin"] = BODY[::-1]
        with pytest.raises(StoreError, match="changed"):
            file.read()


def test_without_ranges_the_file_is_kept_aside_and_read_like_any(bare):
    with storage.opened(f"{bare}/a.bin") as file:
        file.seek(-10, os.SEEK_END)
        assert file.read() == BODY[-10:]
        file.seek(0)
        assert file.read() == BODY
    assert [one.size for one in storage.glob(f"{bare}/a.bin")] == [len(BODY)]
    assert storage.glob(f"{bare}/b.bin") == []


def test_without_ranges_what_is_large_is_refused_before_it_is_fetched(bare, monkeypatch):
    monkeypatch.setattr(store_http, "MOST_WHOLE", 1_000_000)
    with pytest.raises(StoreError, match=r"3,000,000 bytes, and the server gives files whole.*Download it"):
        storage.opened(f"{bare}/a.bin")


def test_a_server_that_drips_is_given_up_and_named(web, impatient):
    web.troubles = [Trouble("GET .*bytes=0-[1-9]", "drip", 1_000)]
    with pytest.raises(SourceError, match=f"{web.url}/a.bin: no answer"):
        storage.read_bytes(f"{web.url}/a.bin")


def test_nothing_is_written_to_a_web_server(web):
    with pytest.raises(RecipeError, match="read only"):
        storage.write_bytes(f"{web.url}/new", b"x")
    with pytest.raises(RecipeError, match="read only"):
        storage.remove(f"{web.url}/a.bin")
    assert web.count("(PUT|POST|DELETE)") == 0


@pytest.mark.parametrize("pattern", ["*.bin", "**/a.bin", "x*/a.bin"])
def test_globs_are_refused_with_what_to_do(web, pattern):
    with pytest.raises(RecipeError, match=r"does not list its files.*Name each file"):
        storage.glob(f"{web.url}/{pattern}")
