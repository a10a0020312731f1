"""Memory, pipelines, traffic and serving against the papers that derived them."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaling import memory, parallel, serving
from scaling.architecture import Architecture
from scaling.errors import LawError
from scaling.hardware import accelerator
from scaling.models import MODELS, model
from scaling.parallel import Layout

GPT3 = model("gpt3_175b")
MT_NLG = Architecture(
    name="mt_nlg", layers=105, width=20_480, heads=128, ffn_width=81_920, ffn="gelu", vocab=51_200, context=2048
)


@pytest.mark.parametrize(("zero", "gigabytes"), [(0, 120), (1, 31.4), (2, 16.6), (3, 1.88)])
def test_zero_of_seven_and_a_half_billion_on_64(zero, gigabytes):
    """Rajbhandari et al. 2020, figure 1: 120, 31.4, 16.6 and 1.9 GB."""
    held = memory.states_bytes(7.5e9, Layout(data=64, zero=zero))
    assert held / 1e9 == pytest.approx(gigabytes, rel=0.005)


@pytest.mark.parametrize(("params", "ranks", "gigabytes"), [(7e9, 1, 112), (7e9, 8, 14), (70e9, 8, 140)])
def test_sixteen_bytes_a_parameter(params, ranks, gigabytes):
    """bf16 weights and gradients, fp32 master weights and two moments: 70 B on 8 devices do not fit 80 GB each."""
    assert memory.states_bytes(params, Layout(data=ranks, zero=3)) == pytest.approx(gigabytes * 1e9)


def korthikanti(shape, context, tensor, sequence_parallel):
    """Bytes of a layer a token, table 2 of Korthikanti et al. 2022."""
    h, ratio = shape.width, 5 * shape.heads * context / shape.width
    return h * (34 + ratio) / tensor if sequence_parallel else h * (10 + (24 + ratio) / tensor)


@pytest.mark.parametrize("tensor", [1, 2, 8])
@pytest.mark.parametrize("sequence_parallel", [False, True])
@pytest.mark.parametrize("shape", [GPT3, MT_NLG], ids=lambda shape: shape.name)
def test_activations_of_a_layer(shape, tensor, sequence_parallel):
    layout = Layout(tensor=tensor, sequence_parallel=sequence_parallel)
    held = memory.layer_bytes(shape, layout, 2048, keeps_scores=True, dropout=True)
    assert held == pytest.approx(korthikanti(shape, 2048, tensor, sequence_parallel), rel=1e-12)


@pytest.mark.parametrize(
    ("shape", "percent"), [(GPT3, 70), (MT_NLG, 65)], ids=lambda value: getattr(value, "name", value)
)
def test_selective_recomputation_saves_what_the_paper_says(shape, percent):
    """Section 5: 70 % of the activations of GPT-3, 65 % of the 530 B model."""
    kept = [
        memory.layer_bytes(shape, Layout(tensor=8, sequence_parallel=True), 2048, keeps_scores=scores, dropout=True)
        for scores in (True, False)
    ]
    assert 100 * (1 - kept[1] / kept[0]) == pytest.approx(percent, abs=0.5)


def test_the_first_stage_holds_all_layers_and_interleaving_more():
    """Section 4.2.3: L layers' worth; with interleaving 1 + (p - 1) / (p m) times that."""
    plain = Layout(pipeline=8, micro_batches=64)
    assert memory.in_flight_layers(GPT3, plain) == 96
    assert memory.in_flight_layers(GPT3, replace(plain, interleave=3)) == pytest.approx(96 * (1 + 7 / 24))
    assert memory.in_flight_layers(GPT3, replace(plain, micro_batches=2)) == 24


def test_full_recomputation_keeps_two_bytes_a_value_of_input():
    """Section 5: 2 s b h L in all, beside the one layer that is being recomputed."""
    layout, shape = Layout(micro_batch=4), replace(GPT3, vocab=1)
    kept = memory.activations(shape, layout, recompute="full")
    working = memory.layer_bytes(shape, layout, 2048)
    logits = 4 + 4 * shape.width
    assert kept == pytest.approx(4 * 2048 * (2 * shape.width * 96 + working + logits))


def test_the_fullest_stage_is_the_first_or_the_one_with_the_logits():
    """With many micro-batches in flight the first stage holds all layers; with one in flight the last adds logits."""
    layout = Layout(pipeline=8, micro_batches=64)
    layer = memory.layer_bytes(GPT3, layout, 2048)
    assert memory.activations(GPT3, layout) == pytest.approx(2048 * 96 * layer)
    logits = 4 * GPT3.vocab + 4 * GPT3.width
    alone = memory.activations(GPT3, replace(layout, micro_batches=1))
    assert alone == pytest.approx(2048 * (12 * layer + logits))


def test_fully_sharded_weights_are_gathered_two_layers_at_a_time():
    shape = model("llama2_7b")
    layer = 4 * 4096**2 + 3 * 4096 * 11_008 + 2 * 4096
    held = memory.training(shape, Layout(data=8, tensor=2, zero=3))
    assert held.gathered_bytes == layer / 2 * (2 * 2 + 2)
    assert memory.training(shape, Layout(data=8, tensor=2, zero=2)).gathered_bytes == 0


layouts = st.builds(
    Layout,
    data=st.sampled_from([1, 2, 8]),
    tensor=st.sampled_from([1, 2, 4]),
    pipeline=st.sampled_from([1, 2, 4]),
    zero=st.integers(0, 3),
    sequence_parallel=st.booleans(),
    micro_batch=st.integers(1, 3),
    micro_batches=st.integers(1, 9),
)


@given(st.sampled_from(sorted(MODELS)), layouts)
def test_more_sharding_and_more_recomputation_never_cost_memory(name, layout):
    shape = model(name)
    held = memory.training(shape, layout)
    deeper = memory.training(shape, replace(layout, zero=min(3, layout.zero + 1)))
    assert deeper.states_bytes <= held.states_bytes
    assert memory.training(shape, replace(layout, data=layout.data * 2)).states_bytes <= held.states_bytes
    scores = {
        r: memory.activations(shape, layout, recompute=r, keeps_scores=True) for r in ("none", "selective", "full")
    }
    assert scores["none"] >= scores["selective"]
    assert scores["none"] * 1.5 >= scores["full"]  # one layer is whole while it is recomputed
    assert held.as_dict()["total_bytes"] == held.states_bytes + held.activations_bytes + held.gathered_bytes


@given(st.sampled_from(sorted(MODELS)), st.integers(1, 12))
def test_stages_hold_the_whole_model(name, pipeline):
    """The largest stage is at least an even share, and all stages together at least the model."""
    shape = model(name)
    assert parallel.stage_params(shape, Layout(pipeline=pipeline)) * pipeline >= shape.params()
    assert parallel.stage_params(shape, Layout()) == shape.params()


def test_a_model_fits_where_people_train_it():
    """Llama-3-8B under FSDP on 8 H100 at 8,192 tokens with full recomputation (torchtitan) fits; plain DDP does not."""
    shape, gpu = model("llama3_8b"), accelerator("H100")
    assert memory.training(shape, Layout(data=8, zero=3), recompute="full").fits(gpu)
    assert not memory.training(shape, Layout(data=8), recompute="full").fits(gpu)


# -- pipelines and wires ----------------------------------------------------------------------------------------------


@given(st.integers(1, 64), st.integers(1, 512))
def test_bubble(stages, micro_batches):
    """Huang et al. 2019, section 2.3; Narayanan et al. 2021, section 2.2: (p - 1) / m over the useful time."""
    idle = parallel.bubble(Layout(pipeline=stages, micro_batches=micro_batches))
    assert idle == pytest.approx((stages - 1) / (micro_batches + stages - 1))
    assert idle / (1 - idle) == pytest.approx((stages - 1) / micro_batches)


@given(st.integers(2, 64), st.integers(1, 512), st.integers(2, 8))
def test_interleaving_divides_the_idle_time(stages, micro_batches, interleave):
    """Narayanan et al. 2021, section 2.2: v groups a device make the idle over the useful time v times less."""
    plain, woven = (
        parallel.bubble(Layout(pipeline=stages, micro_batches=micro_batches, interleave=v)) for v in (1, interleave)
    )
    assert (plain / (1 - plain)) / (woven / (1 - woven)) == pytest.approx(interleave)


def test_bits_and_bytes():
    """400 Gb/s of InfiniBand are 50 GB/s; 900 GB/s of an H100's NVLink are 450 each way."""
    assert parallel.bytes_per_second(parallel.INFINIBAND_BITS_PER_SECOND["ndr"]) == 50e9
    assert accelerator("H100").link_bytes_per_second == 450e9


@given(st.integers(2, 4096), st.floats(1, 1e12))
def test_an_all_reduce_is_a_ring_of_two_halves(ranks, size):
    """Each rank sends n - 1 pieces of 1 / n twice: 2 (n - 1) / n of the size (Patarasuk and Yuan 2009)."""
    sent = sum(size / ranks for _ in range(2 * (ranks - 1)))
    assert parallel.all_reduce_bytes(size, ranks) == pytest.approx(sent)


def test_zero_traffic():
    """Rajbhandari et al. 2020, section 7: as much as DDP for stages 1 and 2, 1.5 times for stage 3."""
    shape = model("llama2_7b")
    sent = [parallel.traffic(shape, Layout(data=64, zero=stage)).data_bytes for stage in (0, 1, 2, 3)]
    assert sent[0] == pytest.approx(2 * 2 * shape.params() * 63 / 64)
    assert [s / sent[0] for s in sent] == pytest.approx([1, 1, 1, 1.5])


def test_tensor_and_pipeline_traffic():
    """Four all-reduces of s b h values a layer and micro-batch (Shoeybi et al. 2019); two crossings a micro-batch."""
    shape, layout = model("llama2_7b"), Layout(tensor=8, pipeline=4, micro_batches=16)
    sent = parallel.traffic(shape, layout)
    activations = 4096 * 4096 * 2
    assert sent.tensor_bytes == pytest.approx(4 * 8 * 16 * 2 * 7 / 8 * activations)
    assert sent.pipeline_bytes == 2 * 16 * activations
    assert sent.data_bytes == 0
    seconds = sent.seconds(node_bytes_per_second=450e9, network_bytes_per_second=50e9)
    assert seconds == pytest.approx(sent.tensor_bytes / 450e9 + sent.pipeline_bytes / 50e9)


def test_one_device_sends_nothing():
    sent = parallel.traffic(model("llama2_7b"), Layout(zero=3))
    assert (sent.data_bytes, sent.tensor_bytes, sent.pipeline_bytes) == (0, 0, 0)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"tensor": 0}, "tensor is 0"),
        ({"data": 2.0}, "whole number"),
        ({"zero": 4}, "no ZeRO stage 4"),
        ({"interleave": 2}, "pipeline of 2"),
    ],
)
def test_layouts_that_cannot_be(change, words):
    with pytest.raises(LawError, match=words):
        Layout(**change)


def test_layouts_that_do_not_fit_the_model():
    with pytest.raises(LawError, match="12 heads do not divide over tensor = 8"):
        memory.training(model("gpt2"), Layout(tensor=8))
    with pytest.raises(LawError, match="12 layers cannot fill 16"):
        parallel.traffic(model("gpt2"), Layout(pipeline=16))
    with pytest.raises(LawError, match="did you mean 'full'"):
        memory.training(model("gpt2"), Layout(), recompute="ful")


# -- serving ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "kibibytes"),
    [("llama2_7b", 512), ("llama3_8b", 128), ("llama3_70b", 320), ("llama3_405b", 504), ("deepseek_v3", 68.625)],
)
def test_cache_of_a_token(name, kibibytes):
    """2 x layers x kv_heads x head_dim x 2 bytes; DeepSeek-V2, table 1: (d_c + d_h^R) x layers for latent attention."""
    assert serving.kv_bytes_per_token(model(name)) == kibibytes * 1024


def test_quantised_and_windowed_caches():
    shape = model("mistral_7b")
    assert serving.kv_bytes_per_token(shape, bits_per_value=4) * 4 == serving.kv_bytes_per_token(shape)
    assert serving.kv_bytes(shape, 100_000) == serving.kv_bytes(shape, 4096) == 4096 * 128 * 1024


def test_a_token_costs_two_n_and_scores():
    """2 N FLOPs and 4 L d context (Kaplan et al. 2020, table 1), N without the embedding."""
    shape = model("llama2_7b")
    served = serving.serving(shape, "H100", context=4096)
    assert served.flops_per_token == 2 * (shape.params() - shape.embedding_params() - 65 * 4096) + 4 * 32 * 4096 * 4096


def test_what_fits_is_counted_to_the_last_sequence():
    served = serving.serving(model("llama3_8b"), "H100", context=8192)
    room = 80e9 * 0.9 - served.weights_bytes
    assert served.sequences == room // 2**30 == 52  # 128 KiB x 8,192 tokens are 1 GiB
    assert not serving.serving(model("llama3_70b"), "H100", context=8192).sequences
    assert serving.serving(model("llama3_70b"), "H100", context=8192, gpus=4).sequences > 0


def test_one_sequence_is_as_fast_as_memory_is_read():
    """Llama-2-7B in bf16 on an H100: 3.35e12 / 13.5e9 bytes, some 240 tokens a second; int4 nearly four times that."""
    one, small = (
        serving.serving(model("llama2_7b"), "H100", context=512, bits_per_weight=bits).tokens_per_second_one
        for bits in (16, 4)
    )
    assert one == pytest.approx(244, rel=0.01)
    assert 3.5 < small / one < 4


def test_many_short_sequences_are_as_fast_as_the_peak():
    """With 64 tokens of context thousands fit: 2 N FLOPs each at 989e12, where one alone waits for memory."""
    served = serving.serving(model("llama2_7b"), "H100", context=64)
    assert served.sequences > 1500
    assert served.tokens_per_second_all == pytest.approx(989e12 / served.flops_per_token)
    assert served.tokens_per_second_one < served.tokens_per_second_all / 100


@given(st.sampled_from(sorted(MODELS)), st.integers(1, 10_000))
def test_experts_that_are_read(name, batch):
    """One token reads the active parameters; with many, every expert is asked for."""
    shape = model(name)
    assert serving.share_read(shape, 1) == pytest.approx(shape.active_params() / shape.params())
    assert shape.active_params() / shape.params() - 1e-12 <= serving.share_read(shape, batch) <= 1
    assert serving.share_read(shape, 10_000) == pytest.approx(1)


def test_serving_refuses_impossible_numbers():
    with pytest.raises(LawError, match="did you mean 'H100"):
        serving.serving(model("gpt2"), "H1000", context=10)
    with pytest.raises(LawError, match="give bits"):
        serving.kv_bytes_per_token(model("gpt2"), bits_per_value=0.5)
    with pytest.raises(LawError, match="context is 0"):
        serving.kv_bytes(model("gpt2"), 0)
