"""Sources and runs on a store: the documents, units and digests of the local files, whatever fails on the way."""

import gzip
import json
import random
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from corpus import storage
from corpus.errors import SourceError
from corpus.readers import records
from corpus.source import Source
from corpus.storage import Found
from corpus.units import units
from pipeline.engines import engine
from pipeline.home import Home
from pipeline.progress import Silent
from pipeline.recipe import load
from pipeline.run import Run
from tests.e2e.runs import corpus, kill_tree, recipe, start
from tests.storage.servers import Trouble

zstandard = pytest.importorskip("zstandard")


def uploaded(folder: Path, url: str) -> str:
    """All files of a folder, below a URL."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            storage.write_bytes(storage.join(url, *path.relative_to(folder).parts), path.read_bytes())
    return url


def rows(count):
    return [{"id": f"r{n}", "text": f"the text of number {n} " * 20, "url": f"http://a/{n}"} for n in range(count)]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """A file of each kind that is cut or decompressed on its way."""
    folder = tmp_path_factory.mktemp("inputs")
    lines = "".join(json.dumps(row) + "\n" for row in rows(3_000)).encode()
    (folder / "plain.jsonl").write_bytes(lines)
    (folder / "packed.jsonl.gz").write_bytes(gzip.compress(lines))
    (folder / "packed.jsonl.zst").write_bytes(zstandard.compress(lines))
    pq.write_table(pa.Table.from_pylist(rows(3_000)), folder / "columns.parquet", row_group_size=500)
    return folder


def read(path, unit_bytes=300_000):
    """Extents, and every document, of a source."""
    source = Source(path=path, fields=("url",))

    def identity(found: Found) -> str:
        return f"{found.size}"

    cut = units([source], identity, unit_bytes)
    extents = [(e.name, e.start, e.end) for unit in cut for e in unit.extents]
    return extents, [row for unit in cut for piece in records(unit, source) for row in piece.rows.to_pylist()]


def test_a_bucket_gives_the_units_and_documents_of_the_folder(bucket, s3, hasty, inputs):
    uploaded(inputs, f"{bucket}/in")
    s3.troubles = [Trouble("GET .*(jsonl|parquet)", kind, 2, after) for kind, after in ((503, 3), ("cut", 7))]
    here, there = read(str(inputs / "*")), read(f"{bucket}/in/*")
    assert here == there
    assert len(here[0]) > 6  # plain lines and row groups are cut
    assert len(here[1]) == 4 * 3_000
    assert read(f"{bucket}/in") == here  # the folder itself


def test_a_footer_is_read_without_the_file(bucket, s3, tmp_path):
    import numpy as np

    table = pa.table(
        {"id": [f"{n}" for n in range(2_000)], "text": [np.random.bytes(1_000).hex() for _ in range(2_000)]}
    )
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=500)
    uploaded(tmp_path, bucket)
    s3.calm()
    found = units([Source(path=f"{bucket}/*.parquet")], lambda one: one.stamp, 1_000_000)
    assert len(found) == 4
    assert s3.bytes_asked("parquet") <= 1 << 17
    assert storage.size(f"{bucket}/a.parquet") > 2_000_000


def test_a_source_that_drips_is_given_up_in_bounded_time_and_named(bucket, s3, impatient, inputs):
    url = storage.join(bucket, "plain.jsonl")
    storage.write_bytes(url, (inputs / "plain.jsonl").read_bytes())
    s3.troubles = [Trouble(r"GET .*/plain\.jsonl\?", "drip", times=1_000)]
    begun = time.monotonic()
    with pytest.raises(SourceError, match=f"{url}: no answer in .*too slow"):
        read(url)
    assert time.monotonic() - begun < 15


@pytest.mark.parametrize("name", ["packed.jsonl.gz", "packed.jsonl.zst", "columns.parquet", "plain.jsonl"])
def test_a_store_that_stops_answering_midway_is_an_error_and_not_a_damaged_file(bucket, s3, hasty, tmp_path, name):
    """What a library raises while it decompresses would be quarantined, and the rest of the file lost."""
    noise = [{"id": f"{n}", "text": random.Random(n).randbytes(600).hex(), "url": ""} for n in range(300)]
    lines = "".join(json.dumps(row) + "\n" for row in noise).encode()
    pq.write_table(pa.Table.from_pylist(noise), tmp_path / "columns.parquet", row_group_size=50)
    packed = {".gz": gzip.compress(lines), ".zst": zstandard.compress(lines), ".jsonl": lines}
    made = {".parquet": (tmp_path / "columns.parquet").read_bytes()} | packed
    storage.write_bytes(f"{bucket}/{name}", made[name[name.rindex(".") :]])
    s3.troubles = [Trouble(f"GET .*/{name}", 503, times=1_000, after=2 if "parquet" in name else 1)]
    with pytest.raises(SourceError, match=f"{name}: no answer"):
        read(f"{bucket}/{name}")


def test_a_store_that_throttles_is_no_damage_to_what_was_written(bucket, s3, hasty):
    """An error about a shard makes a run remove it and make it again; a busy store must not."""
    from corpus import shards

    shards.write(f"{bucket}/a.parquet", pa.table({"a": [1, 2]}))
    s3.troubles = [Trouble("GET .*a.parquet", 503, times=1_000)]
    with pytest.raises(SourceError, match="no answer"):
        shards.read(f"{bucket}/a.parquet")
    s3.calm()
    assert shards.read(f"{bucket}/a.parquet")["a"].to_pylist() == [1, 2]


def asked(folder, name, inputs):
    """A recipe without tokens, over sources in every format."""
    path = recipe(folder / f"{name}.yaml", inputs, shard_mb=0.05)
    path.write_text(yaml.safe_dump({k: v for k, v in yaml.safe_load(path.read_text()).items() if k != "tokens"}))
    return path


def ran(path, home):
    with engine("local", 1) as workforce:
        return Run(load(str(path)), Home(home), workforce, Silent())()["digest"]


def test_a_run_on_s3_that_is_throttled_gives_the_digest_of_the_local_run(bucket, s3, hasty, tmp_path):
    inputs = corpus(tmp_path / "in", 20)
    uploaded(inputs, f"{bucket}/in")
    here, there = (asked(tmp_path, name, folder) for name, folder in (("here", inputs), ("there", f"{bucket}/in")))
    s3.troubles = [Trouble("PUT", 503, 2, after) for after in (5, 20)]
    assert ran(there, f"{bucket}/run") == ran(here, str(tmp_path / "run"))


@pytest.mark.slow  # 62 s on a busy machine
def test_a_run_on_s3_gives_the_digest_of_the_local_run_also_when_it_was_killed(bucket, s3, tmp_path):
    inputs = corpus(tmp_path / "in", 160)
    uploaded(inputs, f"{bucket}/in")
    here, there = (asked(tmp_path, name, folder) for name, folder in (("here", inputs), ("there", f"{bucket}/in")))
    digest = ran(here, str(tmp_path / "run"))
    home = f"{bucket}/run"
    process = start("run", there, "--at", home, "--workers", 1)
    documents = []
    while len(documents) < 2 and process.poll() is None:
        documents = storage.glob(f"{home}/documents-*/*.parquet")
    alive = process.poll() is None
    kill_tree(process)
    assert alive, "the run was over before it could be killed"
    s3.calm()
    s3.troubles = [Trouble("PUT", 503, 2, after) for after in (5, 20)]
    assert ran(there, home) == digest
    kept = {f"{bucket}/run/{one}" for one in ("report.json", "finished.json", "recipe.yaml")}
    assert kept <= {one.url for one in storage.glob(f"{home}/*")}
    before = {one.url: one.stamp for one in documents}
    after = {one.url: one.stamp for one in storage.glob(f"{home}/documents-*/*.parquet")}
    assert before.items() <= after.items()  # what the killed run had written stands
    assert ran(there, home) == digest
    assert "hush-hush" not in "".join(storage.read_bytes(one.url).decode() for one in storage.glob(f"{home}/*.*"))
