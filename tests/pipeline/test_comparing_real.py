"""Real near-duplicates with complete truth: licences, and pages of documentation in several versions."""

import csv
import gzip
import io
import json

import pyarrow as pa
import pytest

from corpus.documents import CORE, TEXT, Batch
from stages.exact import Exact
from stages.minhash import MinHash
from tests.laws.compared import compared, documents, kept


@pytest.fixture(scope="module", params=["licences", "versioned_docs"])
def family(request, data):
    """Texts by id, and the pairs that lie at 0.5 or above by their own tokens."""
    folder = data / "neardup"
    with pa.input_stream(str(folder / f"{request.param}.docs.jsonl.zst"), compression="zstd") as file:
        rows = [json.loads(line) for line in file.read().splitlines()]
    with gzip.open(folder / f"{request.param}.pairs.csv.gz", "rt") as file:
        pairs = [(p["id_a"], p["id_b"]) for p in csv.DictReader(io.StringIO(file.read())) if float(p["j_w5"]) >= 0.5]
    return {row["id"]: row["text"] for row in rows}, pairs


def shingle_sets(stage, texts):
    rows = pa.record_batch([texts, pa.array(texts.values(), pa.large_string()), ["x"] * len(texts)], schema=CORE)
    first, values = stage.shingles(Batch(rows))
    return {name: set(values[first[n] : first[n + 1]].tolist()) for n, name in enumerate(texts)}


def test_pairs_at_nine_tenths_are_caught_and_nobody_goes_who_is_less_like_its_keeper(family, tmp_path):
    texts, pairs = family
    stage, names = MinHash(), list(texts)
    sets = shingle_sets(stage, texts)
    found = compared(tmp_path, stage, documents(list(texts.values())), 100)
    by_id = dict(zip((row["id"] for row in found), names, strict=True))
    fate = {by_id[row["id"]]: row for row in found}
    dropped = [row for row in found if row["drop"] is not None]
    assert len(dropped) > 100
    for row in dropped:
        own, other = sets[by_id[row["id"]]], sets[by_id[row["duplicate_of"]]]
        assert row["similarity"] == len(own & other) / len(own | other) >= stage.least
        assert fate[by_id[row["duplicate_of"]]]["drop"] is None
    near = [(a, b) for a, b in pairs if len(sets[a] & sets[b]) >= 0.9 * len(sets[a] | sets[b])]
    missed = [(a, b) for a, b in near if fate[a]["drop"] is None and fate[b]["drop"] is None]
    assert len(near) > 100
    assert len(missed) <= 0.01 * len(near)


def test_of_the_same_bytes_one_is_kept(family, tmp_path):
    found = compared(tmp_path, Exact(), documents(list(family[0].values())), 37)
    left = [row[TEXT] for row in found if row["id"] in kept(found)]
    assert len(left) == len(set(left)) == len(set(family[0].values())) < len(found)
