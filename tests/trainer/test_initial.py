"""First weights: a pure function of seed, name and shape."""

import math
from dataclasses import replace

import pytest
import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor

from trainer.model.decoder import Decoder
from trainer.model.initial import EMBEDDING, drawn, initialise
from trainer.model.settings import ModelSettings
from trainer.optim import made
from trainer.run.settings import Optimizer

torch.set_num_threads(1)

SETTINGS = ModelSettings(layers=3, width=64, heads=4, ffn_width=128, vocab=96, context=16)


def weights(settings: ModelSettings, seed: int = 0) -> dict[str, torch.Tensor]:
    model = Decoder(settings)
    initialise(model, seed)
    return dict(model.named_parameters())


def test_the_same_seed_gives_the_same_weights_and_another_seed_others():
    one, again, other = weights(SETTINGS), weights(SETTINGS), weights(SETTINGS, 1)
    for name, weight in one.items():
        assert torch.equal(weight, again[name])
        assert weight.ndim == 1 or not torch.equal(weight, other[name])


def test_weights_of_golden_value():
    """A seed means the same in every version. NumPy promises SFC64's stream, not what `normal` makes of it (NEP 19)."""
    found = drawn("blocks.0.attention.query.weight", (64, 64), SETTINGS, seed=0)
    torch.testing.assert_close(found[0, :3], torch.tensor([0.087151244, -0.043103125, 0.082466051]), rtol=1e-6, atol=0)


def test_a_stage_that_holds_a_part_has_the_weights_of_the_whole():
    whole = weights(SETTINGS)
    stage = Decoder(SETTINGS)
    stage.embedding = None
    del stage.blocks["0"], stage.blocks["1"]
    initialise(stage, 0)
    held = dict(stage.named_parameters())
    assert set(held) == {name for name in whole if name.startswith(("blocks.2.", "norm.", "head."))}
    assert all(torch.equal(weight, whole[name]) for name, weight in held.items())


def test_a_tied_head_on_another_stage_is_the_embedding():
    tied = replace(SETTINGS, tied=True)
    stage = Decoder(tied)
    stage.embedding = None
    initialise(stage, 0)
    assert torch.equal(stage.head.weight, weights(tied)["embedding.weight"])


def test_wider_types_hold_the_same_numbers():
    model = Decoder(SETTINGS).double()
    initialise(model, 0)
    assert all(torch.equal(weight.float(), weights(SETTINGS)[name]) for name, weight in model.named_parameters())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("embedding.weight", EMBEDDING),
        ("blocks.1.attention.key.weight", math.sqrt(0.4 / 64)),
        ("blocks.1.feed_forward.up.weight", math.sqrt(0.4 / 64)),
        ("blocks.1.attention.output.weight", math.sqrt(0.4 / 64 / 6)),  # added to the stream 2 x 3 times
        ("blocks.1.feed_forward.down.weight", math.sqrt(0.4 / 128 / 6)),
        ("head.weight", math.sqrt(0.4 / 64)),
    ],
)
def test_standard_deviations_are_those_of_the_sources(name, expected):
    found = weights(SETTINGS)[name]
    assert found.std().item() == pytest.approx(expected, rel=4 / math.sqrt(2 * found.numel()))  # four standard errors


def test_gpt_2_has_about_this_deviation_at_its_width():
    assert drawn("blocks.0.attention.key.weight", (1024, 1024), SETTINGS, 0).std().item() == pytest.approx(
        0.02, rel=0.02
    )


def test_under_mup_first_logits_are_the_standard_ones_and_routers_shrink_with_the_width():
    options = {"layers": 1, "heads": 4, "ffn_width": 64, "vocab": 96, "context": 16, "parametrization": "mup"}
    mixed = {"experts": 64, "active_experts": 2, "base_width": 64}
    narrow, wide = (weights(ModelSettings(width=width, **options, **mixed)) for width in (64, 256))
    for width, found in ((64, narrow), (256, wide)):
        divided = found["head.weight"] / (width / 64)
        assert divided.std().item() == pytest.approx(math.sqrt(0.4 / width), rel=0.05)
    router, key = "blocks.0.feed_forward.router.weight", "blocks.0.attention.key.weight"
    assert (narrow[key].std() / wide[key].std()).item() == pytest.approx(2, rel=0.1)  # 1 / sqrt(width)
    assert (narrow[router].std() / wide[router].std()).item() == pytest.approx(4, rel=0.1)  # 1 / width


def test_a_tied_embedding_has_the_deviation_of_a_head():
    found = weights(replace(SETTINGS, tied=True))["embedding.weight"]
    assert found.std().item() == pytest.approx(math.sqrt(0.4 / 64), rel=0.05)


def test_norms_are_one():
    assert all((weight == 1).all() for weight in weights(SETTINGS).values() if weight.ndim == 1)


def both_ranks(rank: int, store: str) -> None:
    """A model that never was whole: made without memory, sharded, then set. It starts and steps as the whole one."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    mesh = init_device_mesh("cpu", (2,))
    for name in ("adamw", "muon"):
        whole = Decoder(SETTINGS)
        initialise(whole, 0)
        with torch.device("meta"):
            model = Decoder(SETTINGS)
        fully_shard(model, mesh=mesh)
        model.to_empty(device="cpu")
        initialise(model, 0)
        one, many = (made(part, SETTINGS, Optimizer(name=name), torch.device("cpu")) for part in (whole, model))
        for weight, part in zip(whole.parameters(), model.parameters(), strict=True):
            assert isinstance(part, DTensor)
            assert torch.equal(part.full_tensor(), weight)
            weight.grad, part.grad = weight.detach().sin(), part.detach().sin()
        one.step()
        many.step()
        for weight, part in zip(whole.parameters(), model.parameters(), strict=True):
            torch.testing.assert_close(part.full_tensor(), weight.detach(), rtol=0, atol=1e-6)
    dist.barrier()
    dist.destroy_process_group()


@pytest.mark.slow
def test_a_sharded_model_starts_and_steps_as_the_whole_one(tmp_path):
    torch.multiprocessing.spawn(both_ranks, (str(tmp_path / "store"),), nprocs=2)
