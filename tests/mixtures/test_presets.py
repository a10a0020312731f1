"""Published mixtures: tables add up, agree with what else their papers print, and are mapped whole or not at all."""

import csv
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.errors import RecipeError
from mixtures.inventory import Inventory
from mixtures.presets import PRESETS, Preset

GPT3 = {"Common Crawl": "web", "WebText2": "web", "Books1": "books", "Books2": "books", "Wikipedia": ""}
HELD = Inventory({"books": 100, "reviews": 50, "web": 1_000}, "0" * 32)
SUMS = {
    "gpt3": 101,  # as printed
    "pile": 100,
    "doremi-pile": 100,
    "gopher": 100,
    "chinchilla": 100,
    "llama": 100,
    "redpajama-v1": 1_210,  # "1.2 trillion"
    "olmo2": 3_900,  # "3.90T"
    "dolma-v1.7": 1_645,  # 50 %, 100 % and 200 % of 2,308.5
}


def test_every_table_sums_to_what_its_source_says():
    assert SUMS.keys() == PRESETS.keys()
    for name, total in SUMS.items():
        assert sum(PRESETS[name].parts.values()) == pytest.approx(total, rel=2e-4), name


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_on_its_own_domains_has_its_own_weights(name):
    parts = PRESETS[name].parts
    mixture = Preset(preset=name, mapping={domain: domain for domain in parts}).mix(
        Inventory(dict.fromkeys(parts, 7), "0" * 32)
    )
    assert mixture.weights == pytest.approx({d: part / sum(parts.values()) for d, part in parts.items()})
    assert (mixture.method, mixture.settings["preset"]) == ("preset", name)
    assert any(year in PRESETS[name].source for year in ("2020", "2021", "2022", "2023", "2024"))


def test_llamas_epochs_are_those_of_its_table():
    """Table 1: epochs on 1.4 T tokens and disk size; tokens a byte must then be plausible, 0.2 to 0.4."""
    rows = {
        "CommonCrawl": (1.10, 3300),
        "C4": (1.06, 783),
        "Github": (0.64, 328),
        "Wikipedia": (2.45, 83),
        "Books": (2.23, 85),
        "ArXiv": (1.06, 92),
        "StackExchange": (1.03, 78),
    }
    for domain, part in PRESETS["llama"].parts.items():
        epochs, gigabytes = rows[domain]
        tokens = part / 100 * 1.4e12 / epochs
        assert 0.2 < tokens / (gigabytes * 1e9) < 0.42, domain


def test_gpt3s_epochs_are_those_of_its_table():
    """Table 2.2: passes over each data set in 300 B tokens, from its weight and size."""
    held = {"Common Crawl": 410, "WebText2": 19, "Books1": 12, "Books2": 55, "Wikipedia": 3}
    epochs = {"Common Crawl": 0.44, "WebText2": 2.9, "Books1": 1.9, "Books2": 0.43, "Wikipedia": 3.4}
    for domain, part in PRESETS["gpt3"].parts.items():  # 22 % of 300 over 19 is 3.5: the table's sizes are rounded
        assert part / 100 * 300 / held[domain] == pytest.approx(epochs[domain], rel=0.25), domain


def test_doremis_weights_are_those_its_authors_released(data):
    with open(data / "mixtures" / "doremi_pile_weights.csv") as file:
        released = {row["domain"]: float(row["pile_doremi_280M_256kvocab_paper"]) for row in csv.DictReader(file)}
    assert {d: part / 100 for d, part in PRESETS["doremi-pile"].parts.items()} == pytest.approx(released)


def test_redpajamas_tokens_make_the_shares_that_doremi_counted(data):
    """Counted in another tokenizer and on packed examples, so within two points of the card's."""
    released = json.loads((data / "mixtures" / "doremi_configs.json").read_text())["rp_baseline"]
    names = {"common_crawl": "CommonCrawl", "c4": "C4", "github": "GitHub", "book": "Books", "arxiv": "ArXiv"}
    names |= {"wikipedia": "Wikipedia", "stackexchange": "StackExchange"}
    parts = PRESETS["redpajama-v1"].parts
    for domain, weight in released["train_domain_weights"].items():
        assert parts[names[domain]] / sum(parts.values()) == pytest.approx(weight, abs=0.02), domain


# Mapping


def test_domains_add_up_and_one_that_is_lacking_leaves_its_share_to_the_others():
    mixture = Preset(preset="gpt3", mapping=GPT3, unused=("reviews",)).mix(HELD)
    assert mixture.weights == pytest.approx({"books": 16 / 98, "reviews": 0, "web": 82 / 98})
    assert mixture.settings == {"preset": "gpt3", "mapping": GPT3, "unused": ("reviews",)}


@given(st.sampled_from(sorted(PRESETS)), st.data())
def test_weights_follow_the_mapping_whatever_it_is(name, draw):
    parts, ours = PRESETS[name].parts, ["a", "b", "c", ""]
    mapping = {domain: draw.draw(st.sampled_from(ours)) for domain in parts}
    used = set(mapping.values()) - {""}
    held = Inventory(dict.fromkeys("abc", 5), "0" * 32)
    preset = Preset(preset=name, mapping=mapping, unused=tuple(sorted(set("abc") - used)))
    if not used:
        with pytest.raises(RecipeError, match="every one of its domains is mapped to none"):
            preset.mix(held)
        return
    whole = sum(part for domain, part in parts.items() if mapping[domain])
    sums = {one: sum(part for domain, part in parts.items() if mapping[domain] == one) for one in "abc"}
    assert preset.mix(held).weights == pytest.approx({one: part / whole for one, part in sums.items()})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"preset": "gpt4"}, "no mixture 'gpt4' .* did you mean 'gpt3'"),
        ({"mapping": {}}, "not mapped: Common Crawl, WebText2, .* --map 'Common Crawl'="),
        ({"mapping": {k: v for k, v in GPT3.items() if k != "Books2"}}, "not mapped: Books2"),
        ({"mapping": GPT3 | {"CommonCrawl": "web"}}, "no domain 'CommonCrawl'; did you mean Common Crawl"),
        ({"mapping": GPT3 | {"Wikipedia": "wiki"}}, "no tokens of 'wiki'"),
        ({"unused": ()}, "nothing is mapped to reviews. .* --map =reviews"),
        ({"unused": ("reviews", "web")}, "'web' is said to be unused, and something is mapped to it"),
        ({"unused": ("reviews", "wbe")}, "no tokens of 'wbe'; did you mean web"),
        ({"mapping": dict.fromkeys(GPT3, ""), "unused": ("books", "reviews", "web")}, "mapped to none"),
    ],
)
def test_a_mapping_that_is_not_whole_is_refused_in_words(change, said):
    with pytest.raises(RecipeError, match=said):
        Preset(**{"preset": "gpt3", "mapping": GPT3, "unused": ("reviews",)} | change).mix(HELD)
