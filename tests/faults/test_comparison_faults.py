"""Workers die and files rot in the middle of a comparison: it ends as if nothing had been."""

import pickle
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from deadly import Deadly

from pipeline.comparing import compare
from pipeline.engines import engine
from pipeline.exchange import Damaged, parts_in
from stages.minhash import MinHash
from tests.laws.compared import compared, comparison, documents, laid
from tests.laws.corpora import edited, planted, prose

STAGE = MinHash(bands=30, rows=3, least=0.6)
STEPS = ("Send", "Match", "Settle", "Stars", "Gather", "Verify", "Losses", "LayVerdicts")
FOLDERS = ("roots", "send", "match", "turn-00", "stars", "texts", "verdicts")


def texts():
    """Prose with edited copies in other shards, and what else there is."""
    some = [prose(n, 60) for n in range(8)]
    return [*some, *(edited(text, n, 0.03) for n, text in enumerate(some)), *planted(40, 2)]


@pytest.fixture(scope="module")
def workforce():
    with engine("local", 2) as found:
        yield found


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return compared(tmp_path_factory.mktemp("whole"), STAGE, documents(texts()), 15)


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("step", STEPS)
def test_a_killed_worker_loses_nothing_and_repeats_nothing(tmp_path, workforce, whole, step, late):
    marker = tmp_path / "killed"
    found = compared(tmp_path, STAGE, documents(texts()), 15, Deadly(workforce, step, 1, late, marker))
    assert marker.exists()
    assert found == whole


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_flipped_bit_is_found_and_its_file_made_again(tmp_path, whole, folder):
    all_ = comparison(tmp_path, STAGE, documents(texts()), 15)
    place, damaged, again = Path(all_.work(folder)), b"", False
    with engine("local", 1) as inline:
        for _ in compare(all_, inline):
            if not damaged and place.exists() and len(list(place.iterdir())) == _tasks(all_, folder):
                file = next(file for file in sorted(place.iterdir()) if parts_in(str(file)))
                damaged = file.read_bytes()[:100] + bytes([file.read_bytes()[100] ^ 1]) + file.read_bytes()[101:]
                file.write_bytes(damaged)
            again |= bool(damaged) and file.exists() and file.read_bytes() != damaged
    assert again
    assert laid(all_) == whole


def _tasks(all_, folder):
    return len(all_.shards) if folder in ("roots", "send", "texts") else all_.parts


def test_a_file_that_rots_again_is_an_error_that_names_it(tmp_path):
    all_ = comparison(tmp_path, STAGE, documents(texts()), 15)
    first = Path(all_.work("send", "000000.rows"))

    def rot():
        for _ in compare(all_, inline):
            if first.exists() and len(list(first.parent.iterdir())) == len(all_.shards):
                first.write_bytes(first.read_bytes()[:-1] + b"?")

    with engine("local", 1) as inline, pytest.raises(Damaged, match=r"send/000000\.rows: damaged"):
        rot()


def test_the_error_of_a_damaged_file_travels_between_processes():
    error = pickle.loads(pickle.dumps(Damaged("a/b.rows", "torn")))  # noqa: S301 (our own object)
    assert (error.url, f"{error}") == ("a/b.rows", f"{Damaged('a/b.rows', 'torn')}")
