"""Stores: what is written is read, a pattern means what it means locally, nothing half done is seen or left to cost."""

import os
from contextlib import suppress
from datetime import timedelta
from io import BytesIO

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from corpus import remote, retries, storage, store_s3, stores
from corpus.retries import StoreError
from tests.storage.servers import Trouble

PARTS = len(retries.WAITS) + 1  # attempts
BUCKET_ONCE = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])

names = st.text(st.sampled_from("ab.?[]#%+ &=é\u2028😀'\"\\$!@:;,~^`|<>{}"), min_size=1, max_size=12)
keys = st.lists(names.filter(lambda n: n not in (".", "..")), min_size=1, max_size=3).map("/".join)


@BUCKET_ONCE
@given(keys, st.binary(max_size=50))
def test_under_any_key_what_is_written_is_read_and_found_by_its_name(bucket, key, content):
    url = f"{bucket}/{key}"
    storage.write_bytes(url, content)
    assert storage.read_bytes(url) == content
    assert storage.size(url) == len(content)
    assert [one.url for one in storage.glob(url)] == [url]
    assert url in {one.url for one in storage.glob(f"{bucket}/**")} or "/." in url
    assert key.rsplit("/", 1)[-1] in storage.names(url.rsplit("/", 1)[0])
    storage.remove(url)
    assert not storage.exists(url)


def test_the_same_patterns_mean_the_same_in_a_bucket(bucket, s3):
    for key in ("a/x.1", "a/b/x.1", "a/b/c/x.1", "a/b/.x.1", "d/x.1", "d.1"):
        storage.write_bytes(f"{bucket}/{key}", b"")
    for pattern, keys in {
        "*/x.1": ["a/x.1", "d/x.1"],
        "**/x.1": ["a/b/c/x.1", "a/b/x.1", "a/x.1", "d/x.1"],
        "a/**/c/*": ["a/b/c/x.1"],
        "*.1": ["d.1"],
        "a": [],
        "z/*": [],
    }.items():
        assert [one.url for one in storage.glob(f"{bucket}/{pattern}")] == [f"{bucket}/{key}" for key in keys]
    s3.calm()
    storage.glob(f"{bucket}/a*/*")
    assert s3.count("list-type=2.*prefix=d") == 0  # folders that the pattern cannot mean are not listed
    assert storage.glob("s3://no-such-bucket/*") == []


def test_thousands_of_keys_come_by_pages_and_a_page_that_fails_is_asked_again_alone(bucket, s3, hasty):
    from moto.s3.models import s3_backends

    for n in range(2_500):  # laid into the server's memory: by requests they take 20 s
        s3_backends["123456789012"]["aws"].put_object(bucket[5:], f"many/{n:04d}", b"")
    s3.troubles = [Trouble("continuation-token", 503, times=3)]
    assert len(storage.glob(f"{bucket}/many/*")) == 2_500
    assert s3.count("list-type=2") == 3 + 3  # pages, and failures


def test_folders_files_and_what_is_not_there_are_told_apart(bucket):
    storage.write_bytes(f"{bucket}/a/b", b"x")
    assert storage.is_folder(f"{bucket}/a")
    assert storage.is_folder(bucket)
    assert not storage.is_folder(f"{bucket}/a/b")
    assert storage.exists(f"{bucket}/a")
    assert not storage.exists(f"{bucket}/aa")
    with pytest.raises(FileNotFoundError):
        storage.opened(f"{bucket}/aa")
    with pytest.raises(IsADirectoryError):
        storage.opened(f"{bucket}/a")


def test_throttling_that_passes_is_waited_for(bucket, s3, hasty):
    storage.write_bytes(f"{bucket}/a", b"content")
    for kind in (503, 429, 500, "cut"):
        s3.calm()
        s3.troubles = [Trouble("GET .*/a", kind, times=PARTS - 1)]
        assert storage.read_bytes(f"{bucket}/a") == b"content"
        assert s3.count("GET .*/a") == PARTS


def test_throttling_that_stays_is_said_with_who_and_how_often(bucket, s3, hasty):
    storage.write_bytes(f"{bucket}/a", b"content")
    s3.calm()
    s3.troubles = [Trouble("GET .*/a", 503, times=1_000)]
    with pytest.raises(StoreError, match=rf"{bucket}/a: no answer .* asked {PARTS} times.*reduce your request rate"):
        storage.read_bytes(f"{bucket}/a")
    assert s3.count("GET .*/a") == PARTS


@pytest.mark.parametrize(("status", "error"), [(403, StoreError), (404, FileNotFoundError)])
def test_what_no_waiting_mends_is_asked_once(bucket, s3, status, error):
    storage.write_bytes(f"{bucket}/a", b"content")
    s3.calm()
    s3.troubles = [Trouble("(GET|HEAD) .*/a", status, times=1_000)]
    with pytest.raises(error):
        storage.read_bytes(f"{bucket}/a")
    assert s3.count(r"GET .*/a\?") == 1


def test_without_credentials_the_error_says_where_they_come_from(s3, monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    stores.store("s3://").fs.clear_instance_cache()
    with pytest.raises(StoreError, match="environment"):
        storage.exists("s3://bucket/a")
    stores.store("s3://").fs.clear_instance_cache()


def test_a_read_that_breaks_goes_on_at_the_byte_it_reached(bucket, s3, hasty):
    content = os.urandom(20_000_000)
    storage.write_bytes(f"{bucket}/a", content)
    s3.calm()
    s3.troubles = [Trouble("GET .*/a", "cut", times=3, after=5), Trouble("GET .*/a", 503, 2, 9)]
    with storage.opened(f"{bucket}/a") as file:
        pieces = []
        while piece := file.read(100_000):
            pieces.append(piece)
    assert b"".join(pieces) == content
    assert s3.bytes_asked("/a") < len(content) + 5 * remote.MOST  # five failures, at most a part each


def test_memory_is_a_few_parts_and_nothing_is_asked_twice(bucket, s3):
    content = os.urandom(30_000_000)
    storage.write_bytes(f"{bucket}/a", content)
    s3.calm()
    with storage.opened(f"{bucket}/a") as file:
        raw = file.raw
        while file.read(1 << 16):
            assert sum(len(part) for _, part in raw._held) <= remote._HELD * remote.MOST
        assert s3.bytes_asked("/a") == len(content)
        assert s3.count("GET") < 12  # 64 kB, twice that, ... 8 MB, and on


def test_an_object_that_changes_while_it_is_read_is_not_mixed(bucket):
    storage.write_bytes(f"{bucket}/a", b"a" * 1_000_000)
    with storage.opened(f"{bucket}/a") as file:
        file.read(10)
        storage.write_bytes(f"{bucket}/a", b"b" * 1_000_000)
        with pytest.raises(StoreError, match="changed while it was read"):
            file.read()


def uploads(bucket):
    return stores.store(bucket).fs.call_s3("list_multipart_uploads", Bucket=bucket[5:]).get("Uploads", [])


@pytest.fixture
def small_parts(monkeypatch):
    """S3 itself takes no part below 5 MB but the last; moto keeps to that."""
    monkeypatch.setattr(store_s3, "PART", 5 << 20)


def test_an_upload_in_parts_is_whole_though_requests_fail(bucket, s3, hasty, small_parts):
    content = os.urandom(12_000_000)
    s3.troubles = [Trouble("PUT .*partNumber=2", 503, times=3), Trouble(r"POST .*uploads", 500)]
    storage.write_bytes(f"{bucket}/big", content)
    assert storage.read_bytes(f"{bucket}/big") == content
    assert s3.count("PUT .*partNumber=1") == 1  # only what failed is sent again
    assert uploads(bucket) == []


def test_a_completion_whose_answer_is_lost_is_a_completion(bucket, s3, hasty, small_parts):
    """Asked again, Amazon says yes once more; other makers that there is no such upload."""
    content = os.urandom(6_000_000)
    s3.troubles = [Trouble("POST .*uploadId", kind) for kind in ("lost", 404)]
    storage.write_bytes(f"{bucket}/big", content)
    assert storage.read_bytes(f"{bucket}/big") == content
    assert uploads(bucket) == []


def test_a_completion_of_an_upload_that_is_gone_is_none(bucket, s3, hasty, small_parts):
    storage.write_bytes(f"{bucket}/big", b"old")
    s3.troubles = [Trouble("POST .*uploadId", 404)]
    with pytest.raises(StoreError, match=f"{bucket}/big: cannot be written"):
        storage.write_bytes(f"{bucket}/big", os.urandom(6_000_000))
    assert storage.read_bytes(f"{bucket}/big") == b"old"
    assert uploads(bucket) == []


@pytest.mark.parametrize("fits", ["partNumber=2", "POST .*uploadId"])
def test_an_upload_that_dies_shows_nothing_spoils_nothing_and_is_given_up(bucket, s3, hasty, small_parts, fits):
    storage.write_bytes(f"{bucket}/big", b"old")
    s3.troubles = [Trouble(fits, 503, times=1_000)]
    with pytest.raises(StoreError, match=f"{bucket}/big"):
        storage.write_bytes(f"{bucket}/big", os.urandom(12_000_000))
    assert uploads(bucket) == []
    assert storage.read_bytes(f"{bucket}/big") == b"old"


def test_an_upload_by_fsspec_alone_that_dies_shows_nothing_and_is_given_up(bucket):
    """As gs and az are written to. Left to a `with`, the file would be completed with what there is."""

    class Broken(BytesIO):
        def read(self, size=-1):
            if self.tell() > 55_000_000:  # s3fs sends parts of 50 MB
                raise OSError("the disk broke")
            return super().read(size)

    fs = stores.store(bucket).fs
    with pytest.raises(OSError, match="the disk broke"):
        stores.Store("s3", fs).put(f"{bucket[5:]}/a", Broken(bytes(60_000_000)), 60_000_000)
    assert uploads(bucket) == []
    assert not storage.exists(f"{bucket}/a")
    stores.Store("s3", fs).put(f"{bucket[5:]}/a", BytesIO(b"content"), 7)
    assert storage.read_bytes(f"{bucket}/a") == b"content"


def test_a_writer_that_raises_uploads_nothing(bucket, s3):
    s3.calm()
    with suppress(RuntimeError), storage.whole(f"{bucket}/a") as file:
        file.write(b"half")
        raise RuntimeError
    assert not s3.asked


def test_what_a_killed_writer_left_is_swept_and_living_writers_are_not(bucket):
    fs = stores.store(bucket).fs
    for key in ("run/a", "elsewhere/a"):
        fs.call_s3("create_multipart_upload", Bucket=bucket[5:], Key=key)
    with pytest.MonkeyPatch.context() as patient:
        patient.setattr(store_s3, "_ABANDONED", timedelta(days=36_500))
        assert storage.sweep(f"{bucket}/run") == 0
    assert storage.sweep(f"{bucket}/run") == 1  # moto says of every upload that it began in 2010
    assert [up["Key"] for up in uploads(bucket)] == ["elsewhere/a"]
