"""Tables of runs: what enters them is sound and joined right, and what does not is named."""

import gzip
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.errors import RecipeError
from mixtures.runs_table import Record, read_runs_table, table

MIXED = "index,train_a,train_b\n1,0.25,0.75\n2,0.5,0.5\n3,1,0\n4,0,1\n"
LOST = "index,metric/a_val_loss,metric/b_val_loss\n2,3.5,2.5\n1,4,2\n3,nan,9\n5,1,1\n"


def written(folder, **files):
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text)
    return [str(folder / name.replace("_", ".")) for name in files]


def test_two_files_are_joined_on_the_index_and_every_run_left_out_is_named(tmp_path):
    found = read_runs_table(written(tmp_path, mixed_csv=MIXED, lost_csv=LOST))
    assert (found.runs, found.domains, found.targets) == (("1", "2"), ("a", "b"), ("a", "b"))
    assert found.weights.tolist() == [[0.25, 0.75], [0.5, 0.5]]
    assert found.losses.tolist() == [[4, 2], [3.5, 2.5]]
    assert found.left_out == {"3": "its loss of 'a' is nan", "4": "no loss of 'a'", "5": "no weights"}
    assert read_runs_table([f"{tmp_path}/mixed.csv", f"{tmp_path}/lost.csv"], ["b"]).runs == ("1", "2", "3")


def test_one_csv_json_lines_and_gz_say_the_same(tmp_path):
    ours = "run,seed,weight/a,weight/b,loss/a\nx,1,0.25,0.75,4\ny,2,,1,5\nz,3,0,1,3\n"
    lines = [
        {"run": "x", "weights": {"a": 0.25, "b": 0.75}, "losses": {"a": 4}},
        {"run": "y", "weights": {"a": None, "b": 1}, "losses": {"a": 5}},
        {"run": "z", "weights": {"b": 1}, "losses": {"a": 3}},  # it had no domain a
    ]
    (one,) = written(tmp_path, one_csv=ours)
    (tmp_path / "two.jsonl.gz").write_bytes(gzip.compress("\n".join(map(json.dumps, lines)).encode()))
    csv, packed = read_runs_table([one]), read_runs_table([str(tmp_path / "two.jsonl.gz")])
    assert csv.digest == packed.digest
    assert csv.left_out == packed.left_out == {"y": "its weight of 'a' is not a number"}
    assert csv.weights.tolist() == [[0.25, 0.75], [0, 1]]


shares = st.lists(st.floats(0.01, 1), min_size=3, max_size=3).map(lambda parts: [part / sum(parts) for part in parts])
records = st.lists(st.tuples(shares, st.floats(0.5, 9)), min_size=1, max_size=8, unique_by=lambda one: one[1]).map(
    lambda rows: [
        Record(f"r{n}", dict(zip("abc", row, strict=True)), {"x": loss}) for n, (row, loss) in enumerate(rows)
    ]
)


@given(records, st.randoms(use_true_random=False))
def test_order_changes_nothing_and_a_copy_is_left_out(rows, draw):
    known = table(rows)
    shuffled = [Record(one.run, dict(reversed(one.weights.items())), one.losses) for one in rows]
    draw.shuffle(shuffled)
    again = table([*shuffled, rows[0]])  # the very same row twice is one run
    assert (again.digest, again.left_out) == (known.digest, {})
    copied = table([*rows, rows[0]._replace(run="s")])
    assert (copied.digest, copied.left_out) == (known.digest, {"s": "a copy of 'r0'"})
    assert np.allclose(known.weights.sum(axis=1), 1, atol=1e-15)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([Record("r", {"a": 0.5, "b": 0.4}, {"x": 1.0})], "sum to 0.9"),
        ([Record("r", {"a": 1.5, "b": -0.5}, {"x": 1.0})], "-0.5 for 'b'"),
        ([Record("r", {"a": 1.0}, {"x": 1.0}), Record("r", {"a": 1.0}, {"x": 2.0})], "stands there twice"),
        ([Record("r", {"a": 1.0}, {"x": math.inf})], "its loss of 'x' is inf"),
        ([Record("r", {"a": 1.0}, {})], "1 domains and 0 losses"),
        ([], "0 domains"),
        ([Record(str(n), {"a": 1.0}, {"x": float(n)}) for n in range(4_001)], "4,001 runs; at most 4,000"),
    ],
)
def test_what_is_no_table_of_runs_is_refused_in_words(rows, said):
    with pytest.raises(RecipeError, match=said):
        table(rows)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a_csv", "run,weight/a\nx,1,2\n", "row 2: 3 cells under 2"),
        ("a_csv", "run,weight/a\nx,one\n", "'one' is not a number"),
        ("a_csv", "a,b\n1,2\n", "a column run or index is needed"),
        ("a_csv", "", "a column run or index is needed"),
        ("a_jsonl", '{"run": "a", "weights": {"b": true}}\n', "line 1"),
        ("a_jsonl", "[" * 100_000, "line 1"),
        ("a_jsonl", '{"run": "a", "weights": {"b": 1e999}, "losses": {"b": 1}}', "its weight of 'b'"),
        ("a_txt", "", "ends in .csv or .jsonl"),
    ],
)
def test_what_is_no_file_of_runs_is_refused_in_words(tmp_path, name, text, said):
    with pytest.raises(RecipeError, match=said):
        read_runs_table(written(tmp_path, **{name: text}))
    with pytest.raises(RecipeError, match="no such file"):
        read_runs_table([str(tmp_path / "none.csv")])


def test_targets_that_no_run_has_are_refused(tmp_path):
    with pytest.raises(RecipeError, match="no loss of 'c'; there are: a, b"):
        read_runs_table(written(tmp_path, mixed_csv=MIXED, lost_csv=LOST), ["c"])


def test_a_run_that_was_told_to_have_failed_is_left_out_with_that_reason():
    known = [Record("a", {"x": 1.0}, {"x": 2.0}), Record("b", {"x": 1.0}, {}, "step 12: no finite gradients")]
    assert table(known).left_out == {"b": "step 12: no finite gradients"}


def test_why_a_run_has_no_losses_is_found_in_whichever_file_says_it(tmp_path):
    rows = [{"run": "a", "weights": {"x": 1.0}}, {"run": "b", "weights": {"x": 1.0}, "why": None}]
    rows += [{"run": "a", "why": "it diverged"}, {"run": "c", "weights": {"x": 1.0}, "losses": {"x": 2.0}}]
    (tmp_path / "runs.jsonl").write_text("\n".join(map(json.dumps, rows)))
    found = read_runs_table([str(tmp_path / "runs.jsonl")])
    assert found.left_out == {"a": "it diverged", "b": "no loss of 'x'"}
