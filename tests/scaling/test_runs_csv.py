"""Tables of runs: columns found by name, and bad rows refused with their number and what would mend them."""

import gzip

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaling.errors import FitError
from scaling.runs_csv import checked, read_runs

GOOD = "params,tokens,loss\n1e8,2e9,3.1\n2e8,4e9,2.9\n4e8,8e9,2.7\n8e8,16e9,2.6\n"


def _read(tmp_path, text, **asked):
    path = tmp_path / "runs.csv"
    path.write_text(text)
    return read_runs(path, **asked)


@pytest.mark.parametrize(
    "header",
    ["params,tokens,loss", "N,D,val_loss", "Model Size,Training Tokens,Eval Loss", "n_params,num_tokens,final_loss"],
)
def test_common_names_are_found(tmp_path, header):
    runs = _read(tmp_path, GOOD.replace("params,tokens,loss", header))
    np.testing.assert_array_equal(runs.params, [1e8, 2e8, 4e8, 8e8])
    np.testing.assert_array_equal(runs.tokens, [2e9, 4e9, 8e9, 16e9])
    np.testing.assert_array_equal(runs.loss, [3.1, 2.9, 2.7, 2.6])


def test_a_named_column_goes_before_a_common_one(tmp_path):
    text = "params,tokens,loss,smoothed\n1e8,2e9,3.1,3.0\n2e8,4e9,2.9,2.8\n"
    np.testing.assert_array_equal(_read(tmp_path, text, loss="smoothed").loss, [3.0, 2.8])


def test_flops_stand_in_for_tokens(tmp_path):
    runs = _read(tmp_path, "params,flops,loss\n1e8,1.2e18,3.1\n2e8,4.8e18,2.9\n")
    np.testing.assert_allclose(runs.tokens, [2e9, 4e9])


def test_gzip_byte_order_mark_and_windows_line_ends_are_read(tmp_path):
    path = tmp_path / "runs.csv.gz"
    path.write_bytes(gzip.compress(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode()))
    assert len(read_runs(path)) == 4


def test_both_forms_of_the_published_table_are_one(data):
    # The SVG extract has Model Size and Training FLOP, the normalised table params, flops and tokens.
    one = read_runs(data / "scaling" / "chinchilla_normalised.csv", drop_highest=5)
    other = read_runs(data / "scaling" / "chinchilla_epoch_svg_extracted.csv", drop_highest=5)
    assert len(one) == len(other) == 240
    np.testing.assert_allclose(one.tokens, other.tokens)
    np.testing.assert_array_equal(one.loss, other.loss)


@given(st.lists(st.integers(10, 13_000), min_size=2, max_size=30, unique=True), st.data())
def test_dropping_the_highest_keeps_the_lowest_in_their_order(thousandths, more):
    loss = np.array(thousandths) / 1000
    count = more.draw(st.integers(0, len(loss) - 1))
    kept = checked(np.full(len(loss), 1e9), np.full(len(loss), 1e10), loss).without_highest(count).loss
    assert len(kept) == len(loss) - count
    assert set(kept) == set(np.sort(loss)[: len(kept)])
    assert [value for value in loss if value in set(kept)] == list(kept)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD.replace("2.9", "nan"), r"loss of row 2 is not a finite number"),
        (GOOD.replace("2.9", ""), r"loss of row 2 is '', not a number"),
        (GOOD.replace("2.9", "n/a"), r"loss of row 2 is 'n/a', not a number"),
        (GOOD.replace("2.9", "18.2"), r"loss of row 2 is above 14.*perplexity"),
        (GOOD.replace("4e9", "-4e9"), r"tokens of row 2 is not above zero"),
        (GOOD.replace("2e8", "0.2"), r"params of row 2 is far from the other rows.*mixed units"),
        (GOOD.replace("16e9", "16"), r"tokens of row 4 is far.*mixed units"),
        (GOOD.replace("16e9", "16e14"), r"tokens of row 1, 2, 3 is over a thousand times below.*mixed units"),
        (GOOD.replace("e8", "e-1"), r"params is 0.1 to 0.8, below 10,000 in every row: raw counts"),
        (GOOD + "2e8,4e9,2.9\n", r"1 run stands twice \(rows 2, 5 are the same\)"),
        (GOOD.replace("loss", "losses"), r"no column for loss; did you mean 'losses'\?"),
        (GOOD.replace("tokens", "tokns"), r"no column for tokens \(or flops\); did you mean 'tokns'\?"),
        (GOOD.replace("params", "width"), r"no column for params.* the file has width, tokens, loss"),
        ("params,tokens,loss\n", r"holds no runs"),
        ("", r"holds no runs"),
        ("params,tokens,flops,loss\n1e8,2e9,1.2e9,3.1\n", r"flops of row 1 is not 6 x params x tokens"),
    ],
)
def test_bad_tables_are_refused_with_the_row_and_the_remedy(tmp_path, text, message):
    with pytest.raises(FitError, match=message):
        _read(tmp_path, text)


def test_a_column_that_is_not_there_names_the_nearest(tmp_path):
    with pytest.raises(FitError, match=r"no column 'los' for loss; did you mean 'loss'\?"):
        _read(tmp_path, GOOD, loss="los")


def test_dropping_every_run_is_refused(tmp_path):
    with pytest.raises(FitError, match="cannot drop the 4 highest losses of 4"):
        _read(tmp_path, GOOD, drop_highest=4)


@pytest.mark.parametrize("content", [b"\x1f\x8b broken", gzip.compress(GOOD.encode(), mtime=0)[:-12], b"\xff\xfe\x00"])
def test_what_is_no_csv_file_is_refused(tmp_path, content):
    path = tmp_path / "runs.csv.gz"
    path.write_bytes(content)
    with pytest.raises(FitError, match="cannot be read as a CSV file"):
        read_runs(path)
    with pytest.raises(FitError, match="cannot be read as a CSV file"):
        read_runs(tmp_path / "none.csv")


def test_two_seeds_of_one_loss_are_two_runs_in_a_table_that_names_them(tmp_path):
    text = "params,tokens,loss,seed\n1e8,2e9,3.1,1\n1e8,2e9,3.1,2\n2e8,4e9,2.9,1\n"
    assert len(_read(tmp_path, text)) == 3
    with pytest.raises(FitError, match="rows 1, 2 are the same"):
        checked([1e8, 1e8, 2e8], [2e9, 2e9, 4e9], [3.1, 3.1, 2.9])


def test_points_along_one_run_are_pointed_out(tmp_path):
    text = "run_name,step,params,tokens,loss\na,1,1e8,2e9,3.1\na,2,1e8,4e9,2.9\nb,2,2e8,4e9,2.8\n"
    assert "3 rows come from 2 runs" in _read(tmp_path, text).warnings[0]


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("any") / "runs.csv"
    path.write_bytes(b"params,tokens,loss\n" + content)
    try:
        loss = read_runs(path).loss
    except FitError:
        return
    assert np.isfinite(loss).all()
