"""Who may go, and what is said of it: modes, protected and indexed documents, weights by cluster size."""

import numpy as np
import pyarrow as pa
import pytest

from corpus.errors import RecipeError
from stages.deduplication import INDEXED, OPEN, PROTECTED, SPLIT, rehydration
from stages.exact import Exact
from stages.minhash import MinHash


def verdicts(stage, keeper, level):
    rows = pa.table(
        {"node": np.arange(len(keeper)), "level": np.array(level, np.int8), "id": [f"d{n}" for n in range(len(keeper))]}
    )
    similarity = [1.0 if k == n else 0.9 for n, k in enumerate(keeper)]
    origin = pa.array(["old" if one == INDEXED else None for one in level], pa.string())
    found = stage.verdicts(rows, pa.table([pa.array(keeper, pa.int64()), similarity], schema=SPLIT), origin)
    return {row.pop("node"): row for row in found.to_pylist()}


def test_one_is_kept_and_stands_for_its_cluster():
    found = verdicts(MinHash(), [0, 0, 0, 3], [OPEN] * 4)
    keeper = {"cluster": "d0", "cluster_size": 3, "rehydration": 3}
    none = dict.fromkeys(("drop", "value", "duplicate_of", "duplicate_in", "similarity", "rehydration"))
    member = {"drop": "near duplicate", "value": 0.9, "duplicate_of": "d0", "similarity": 0.9}
    assert found == {0: none | keeper, 1: none | keeper | member | {"rehydration": None}, 2: found[1]}


def test_none_is_kept_of_a_cluster():
    found = verdicts(MinHash(keep="none"), [0, 0, 2], [OPEN] * 3)
    assert {n: (row["drop"], row["value"], row["duplicate_of"]) for n, row in found.items()} == {
        0: ("near duplicate", 1.0, None),
        1: ("near duplicate", 0.9, "d0"),
    }
    assert found[0]["rehydration"] is None


def test_all_are_kept_and_told():
    found = verdicts(MinHash(keep="all"), [0, 0], [OPEN] * 2)
    assert [row["drop"] for row in found.values()] == [None, None]
    assert found[1]["duplicate_of"] == found[1]["cluster"] == "d0"


def test_protected_documents_are_never_dropped_whatever_they_repeat():
    for keep in ("one", "none"):
        found = verdicts(MinHash(keep=keep, protected=("p",)), [0, 0, 0], [PROTECTED, PROTECTED, OPEN])
        assert [row["drop"] for row in found.values()] == [None, None, "near duplicate"]
        assert found[1]["duplicate_of"] == "d0"


def test_documents_of_an_index_get_no_verdict_and_are_named_with_their_index():
    found = verdicts(MinHash(index=("old",)), [0, 0, 2, 2], [INDEXED, OPEN, OPEN, OPEN])
    assert set(found) == {1, 2, 3}
    assert (found[1]["duplicate_of"], found[1]["duplicate_in"]) == ("d0", "old")
    assert (found[3]["duplicate_of"], found[3]["duplicate_in"]) == ("d2", None)


def test_across_drops_only_what_repeats_a_protected_or_indexed_document():
    stage = MinHash(protected=("p",), scope="across")
    assert set(verdicts(stage, [0, 0, 2, 2], [PROTECTED, OPEN, OPEN, OPEN])) == {0, 1}


def test_weights_are_those_of_fineweb_2():
    """Penedo et al. 2025: 1 -> 1, 2 -> 2, 3-4 -> 3, 5-99 -> 5, 100-999 -> 8, from 1,000 on 1."""
    sizes = [1, 2, 3, 4, 5, 99, 100, 999, 1_000, 10**9]
    assert rehydration(np.array(sizes)).tolist() == [1, 2, 3, 3, 5, 5, 8, 8, 1, 1]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"prefer": ("longest", "shortest")}, "one column twice"),
        ({"prefer": ("-",)}, "names nothing"),
        ({"source_order": ("wiki",)}, "name it in prefer"),
        ({"max_source_loss": 0.0}, "above 0"),
        ({"scope": "across"}, "neither is given"),
    ],
)
def test_settings_that_cannot_be_are_refused(wrong, said):
    for stage in (Exact, MinHash):
        with pytest.raises(RecipeError, match=said):
            stage(**wrong)


def test_what_decides_who_is_kept_does_not_make_keys():
    one = MinHash(prefer=("-date",), keep="none", protected=("p",), max_source_loss=1.0, least=0.5)
    assert one.keying == MinHash().keying != MinHash(ngram=6).keying
    assert Exact(prefer=("-date",)).keying == {"of": "text", "url_column": "url"}
