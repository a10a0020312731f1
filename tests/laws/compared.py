"""A Global stage alone, over documents that lie in shards: what `compare` lays, without a recipe and without a run."""

from pathlib import Path

import pyarrow as pa

from corpus import shards
from corpus.buffers import lengths
from corpus.documents import BYTES, DIGEST, TEXT, Batch, digests
from pipeline.comparing import Comparison, compare, partitions
from pipeline.engine import Engine
from pipeline.engines import engine
from pipeline.newest import Newest
from stages.deduplication import Deduplication
from stages.ordering import places

OWN = ("id", TEXT, "domain", BYTES, DIGEST)


def documents(texts: list[str], domains: list[str] | None = None, **fields: list[str | None]) -> pa.Table:
    """Documents with ids by position, and further fields as text."""
    ids = [f"t{n:05d}" for n in range(len(texts))]
    text = pa.array(texts, pa.large_string())
    table = pa.table({"id": pa.array(ids, pa.string()), TEXT: text, "domain": domains or ["x"] * len(texts)})
    for name, values in fields.items():
        table = table.append_column(name, pa.array(values, pa.string()))
    return table


def comparison(folder: Path, stage: Deduplication, table: pa.Table, per_shard: int = 1_000) -> Comparison:
    """Documents and emitted rows at rest, ready to be compared."""
    text = table[TEXT].combine_chunks()
    table = table.append_column(BYTES, pa.array(lengths(text))).append_column(DIGEST, digests(text))
    names, rows = [], []
    for number, start in enumerate(range(0, table.num_rows, per_shard)):
        names.append(f"s{number:03d}")
        one = table.slice(start, per_shard).combine_chunks()
        rows.append(one.num_rows)
        shards.write(f"{folder}/documents/{names[-1]}.parquet", one)
        shards.write(f"{folder}/emit/{names[-1]}.parquet", stage.emit(Batch(one.to_batches()[0])))
    own = [name for name in table.column_names if name not in OWN]
    return Comparison(
        stage=stage,
        newest=Newest(f"{folder}/documents"),
        emitted=f"{folder}/emit",
        folder=f"{folder}/stage",
        before=(),
        shards=tuple(names),
        rows=tuple(rows),
        parts=partitions(sum(len(t) for t in text.to_pylist())),
        columns=places(stage.prefer, f"{folder}/documents", own, []),
    )


def laid(all_: Comparison, own: tuple[str, ...] = ("id", TEXT, "domain")) -> list[dict]:
    """Every document with what was laid beside it, in order."""
    found = []
    for name in all_.shards:
        beside = shards.read(f"{all_.folder}/{name}.parquet").to_pylist()
        mine = shards.read(f"{all_.newest.documents}/{name}.parquet", list(own)).to_pylist()
        found += [one | two for one, two in zip(mine, beside, strict=True)]
    return found


def compared(
    folder: Path, stage: Deduplication, table: pa.Table, per_shard: int = 1_000, workers: Engine | None = None
) -> list[dict]:
    """Every document with what the stage laid beside it, in order."""
    all_ = comparison(folder, stage, table, per_shard)
    with engine("local", 1) as inline:
        list(compare(all_, workers or inline))
    return laid(all_)


def kept(rows: list[dict]) -> set[str]:
    """Ids of the documents that were not dropped."""
    return {row["id"] for row in rows if row["drop"] is None}


def clusters(rows: list[dict]) -> dict[str, frozenset[str]]:
    """Members by the id of their keeper."""
    found: dict[str, set[str]] = {}
    for row in rows:
        if row["cluster"] is not None:
            found.setdefault(row["cluster"], set()).add(row["id"])
    return {keeper: frozenset(ids) for keeper, ids in found.items()}
