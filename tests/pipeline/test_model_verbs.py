"""`winnow model transfer` and `replay`: the verbs say what the library finds, on tokens and runs of one's own."""

import io

import numpy as np
import pytest
import torch
from byte_tokens import byte_tokens
from rich.console import Console

from corpus.errors import RecipeError
from pipeline.replaying import replay
from pipeline.report.training import show_replayed, show_transfer
from pipeline.training import train
from pipeline.transferring import transfer
from tests.e2e.test_json import fits
from trainer.model.settings import ModelSettings
from trainer.optim import transfer as library
from trainer.reading.held import opened
from trainer.run.batches import Reader
from trainer.stability.rewind import Skip, remember

torch.set_num_threads(1)

GRID = {"steps": 2, "base_width": None, "seeds": 1}
RUN = ("model.layers=1", "model.width=16", "model.heads=2", "model.ffn_width=32", "model.context=32")
RUN += ("budget=12800", "batch.tokens=512", "most_epochs=100", "optimizer.rate=0.02", "evaluation.held_out=0.1")
RUN += ("checkpoints.every=10", "checkpoints.keep=9", "stability.spike_window=16", "checkpoints.asynchronous=false")


@pytest.fixture(scope="module")
def tokens(tmp_path_factory):
    return byte_tokens(tmp_path_factory.mktemp("tokens"))


def said(show, facts):
    console = Console(file=io.StringIO(), width=200)
    show(facts, console)
    return console.file.getvalue()


# Transfer


def test_a_transfer_is_the_grid_of_the_library_on_the_first_tokens(tokens):
    facts = transfer(tokens, "16,32", "0.004,0.016,0.064", parametrization="both", **GRID)
    fits(facts, "transfer")
    mup, standard = facts["transfers"]
    text = opened(tokens).tokens(0, (2 * 16 + 64) * 65)
    shape = ModelSettings(layers=2, width=16, heads=1, head_dim=16, ffn_width=48, vocab=320, context=64)
    known = library.transfer(shape, text, widths=(16, 32), rates=(0.004, 0.016, 0.064), steps=2)
    assert standard["losses"] == known.losses.tolist()
    assert (facts["used"], facts["base_width"]) == (len(text), 16)
    assert mup["losses"][0] == standard["losses"][0]  # at the base they are the same
    assert mup["losses"][1] != standard["losses"][1]
    for one in (mup, standard):
        assert one["best_rates"] == [one["rates"][best] for best in np.argmin(one["losses"], axis=1)]
    least = np.min([mup["losses"], standard["losses"]], axis=2)
    assert facts["as_good_as_standard"] == bool((least[0] <= least[1] + 0.02).all())
    told = said(show_transfer, facts)
    assert told.count("*") == 4
    assert f"*{least[0][1]:.4f}" in told
    assert ("not at every width" in told) == (not facts["as_good_as_standard"])


def test_bytes_are_tokens_of_their_own_ids():
    shape = ModelSettings(layers=1, width=16, heads=1, head_dim=16, ffn_width=32, vocab=256, context=16)
    text = b"the cat sat on the mat and the dog sat on the cat; " * 40
    grid = {"widths": (16,), "rates": (0.01, 0.02), "steps": 2, "batch": 4}
    ids = np.frombuffer(text, np.uint8).astype(np.uint16)
    assert np.array_equal(library.transfer(shape, text, **grid).losses, library.transfer(shape, ids, **grid).losses)
    with pytest.raises(RecipeError, match="257 or more"):
        library.transfer(shape, np.append(ids, 256), **grid)


def test_a_diverged_training_is_null_and_told():
    found = library.Transfer("mup", (16, 32), (1.0, 2.0, 4.0), np.array([[3, 2, np.inf], [np.inf] * 3]))
    assert (found.inside, found.no_worse, found.carries_over) == (False, False, False)
    from pipeline.transferring import _facts

    facts = {"transfers": [_facts(found)], "as_good_as_standard": None}
    assert facts["transfers"][0]["losses"] == [[3.0, 2.0, None], [None, None, None]]
    told = said(show_transfer, facts)
    assert told.count("diverged") == 4
    assert "a wider model is worse: it does not carry over" in told


@pytest.mark.parametrize(
    ("widths", "rates", "changed", "says"),
    [
        ("16", "0.1,0.2,0.3", {}, "--widths 16: expected 2 or more"),
        ("32,16", "0.1,0.2,0.3", {}, "ascending"),
        ("16,40", "0.1,0.2,0.3", {}, "multiple of 16 and of the first"),
        ("16,32", "0.1,0.2", {}, "--rates 0.1,0.2: expected 3"),
        ("16,32", "0.1,0.2,0.3", {"steps": 400}, "fewer --steps"),
        ("16,32", "0.1,0.2,0.3", {"parametrization": "ntk"}, "mup, standard, both"),
    ],
)
def test_what_a_grid_cannot_be(tokens, widths, rates, changed, says):
    with pytest.raises(RecipeError, match=says):
        transfer(tokens, widths, rates, **(GRID | {"parametrization": "mup"} | changed))


# Replay


@pytest.fixture(scope="module")
def run(tokens, tmp_path_factory):
    at = tmp_path_factory.mktemp("run")
    train(tokens, str(at), RUN, None, None)
    return at


def left_out(at, step=20):
    """As a rewind to the checkpoint of that step writes it down: four batches of 16 sequences."""
    remember(at / "checkpoints" / "skipped.jsonl", [Skip(16 * step, 16 * step + 64, step, step + 2, step + 3, 9.5)])


def test_a_run_that_left_nothing_out_has_nothing_to_replay(run, tmp_path):
    with pytest.raises(RecipeError, match="no batches were left out"):
        replay(str(run))
    with pytest.raises(RecipeError, match="not a run of"):
        replay(str(tmp_path))


def test_a_replay_says_whether_it_came_again(run, monkeypatch):
    left_out(run)
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    clean = replay(str(run))
    fits(clean, "replay")
    assert (clean["step"], clean["skip"]["first"], clean["skip"]["step"]) == (10, 320, 20)
    assert (len(clean["losses"]), clean["came_again"], clean["spike"]) == (4, False, None)
    assert "not the batches alone" in said(show_replayed, clean)
    take = Reader.take

    def poisoned(self, read, sequences):
        batch, chance = take(self, read, sequences), torch.Generator().manual_seed(read)
        wrong = [torch.randint(320, part.targets_BL.shape, generator=chance) for part in batch.micro]
        return batch._replace(
            micro=tuple(part._replace(targets_BL=ids) for part, ids in zip(batch.micro, wrong, strict=True))
        )

    monkeypatch.setattr(Reader, "take", poisoned)
    again = replay(str(run))
    fits(again, "replay")
    assert again["came_again"]
    assert again["spike"]["began"] == 11
    assert min(again["losses"]) > max(clean["losses"])
    assert "it is the batches" in said(show_replayed, again)
    monkeypatch.undo()
    assert before == {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}


def test_a_steered_run_and_one_of_one_checkpoint_are_refused(tokens, tmp_path):
    steered = str(tmp_path / "steered")
    train(tokens, steered, [*RUN, "budget=2048", "online.method=odm"], None, None)
    with pytest.raises(RecipeError, match=r"train.online = 'odm'"):
        replay(steered)
    train(tokens, str(tmp_path / "short"), [*RUN, "budget=2048"], None, None)
    left_out(tmp_path / "short", step=4)
    with pytest.raises(RecipeError, match=r"raise checkpoints.keep"):
        replay(str(tmp_path / "short"))
