"""What is scattered is gathered: every row once, in its partition, in the order of tasks."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.errors import ShardError
from pipeline.exchange import gather, parts_in, scatter, spread

SCHEMA = pa.schema([("key", pa.int64()), ("row", pa.int64())])


@given(st.lists(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=30), min_size=1, max_size=4), st.integers(1, 7))
def test_scatter_then_gather_is_a_partition(tmp_path_factory, tasks, parts):
    folder = tmp_path_factory.mktemp("exchange")
    urls = []
    for number, keys in enumerate(tasks):
        key = np.array(keys, np.int64)
        rows = pa.table([key, np.arange(len(key))], schema=SCHEMA)
        urls.append(str(folder / f"{number}.parquet"))
        scatter(urls[-1], rows, spread(key, parts))
    found = [gather(urls, part, SCHEMA) for part in range(parts)]
    for part, table in enumerate(found):
        assert (spread(table["key"].to_numpy(), parts) == part).all()
    everything = sorted(zip(*(pa.concat_tables(found)[c].to_pylist() for c in SCHEMA.names), strict=True))
    assert everything == sorted((k, r) for keys in tasks for r, k in enumerate(keys))
    assert all(parts_in(url) == sorted(set(parts_in(url))) for url in urls)


def test_addresses_of_one_shard_spread_over_all_partitions():
    part = spread(np.arange(80_000, dtype=np.int64), 8)
    counts = np.bincount(part, minlength=8)
    assert 9_500 < counts.min() <= counts.max() < 10_500  # 10,000 +- 5 standard deviations of 94


def test_a_flipped_bit_is_found(tmp_path):
    url = tmp_path / "rows"
    scatter(str(url), pa.table([np.arange(100), np.arange(100)], schema=SCHEMA), np.zeros(100, np.int64))
    sound = url.read_bytes()
    for place in range(len(sound)):
        url.write_bytes(sound[:place] + bytes([sound[place] ^ 4]) + sound[place + 1 :])
        with pytest.raises(ShardError, match="damaged"):
            gather([str(url)], 0, SCHEMA)
    url.write_bytes(sound[:-20])
    with pytest.raises(ShardError, match="damaged"):
        gather([str(url)], 0, SCHEMA)


def test_columns_that_are_not_asked_for_are_left_out(tmp_path):
    url = str(tmp_path / "rows")
    scatter(url, pa.table([np.arange(9), np.arange(9) * 2], schema=SCHEMA), np.arange(9) % 2)
    found = gather([url], 1, pa.schema([SCHEMA.field("row")]))
    assert found.column_names == ["row"]
    assert found["row"].to_pylist() == [2, 6, 10, 14]
