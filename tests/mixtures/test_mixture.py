"""The mixture file: what is saved is loaded, and what contradicts itself is refused with the contradiction."""

import json
import re
from hashlib import blake2b
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from corpus.errors import ShardError
from corpus.manifest import TokenizerCard, digest, manifest_of, write_manifest
from corpus.storage import read_bytes, write_bytes
from corpus.tokens import Origin, write_shard
from mixtures.baselines import Proportional, Static, Temperature, Uniform, UniMax
from mixtures.mixture import Inventory, Mixture, inventory
from mixtures.table import TABLE

PAGE = Path(__file__).parents[2] / "docs/reference/mixtures.md"
HELD = Inventory({"code": 600, "web": 900}, "ab" * 16)


@given(
    st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), st.integers(1, 1 << 50), min_size=1),
    st.sampled_from([Uniform(), Proportional(), Temperature(tau=3.3)]),
    st.none() | st.integers(1, 1 << 60),
)
def test_what_is_saved_is_loaded_and_has_the_same_bytes(tokens, method, budget):
    mixture = method.mix(Inventory(tokens, "0" * 32), budget)
    urls = ["memory://mixture-test/1.json", "memory://mixture-test/2.json"]
    mixture.save(urls[0])
    loaded = Mixture.load(urls[0])
    assert loaded == mixture
    loaded.save(urls[1])
    assert read_bytes(urls[0]) == read_bytes(urls[1])
    assert set(loaded.epochs) == (set() if budget is None else set(tokens))


def test_the_keys_are_sorted_and_the_order_of_domains_does_not_show(tmp_path):
    UniMax().mix(HELD, 1_000).save(f"{tmp_path}/1.json")
    UniMax().mix(Inventory(dict(reversed(HELD.tokens.items())), HELD.inputs), 1_000).save(f"{tmp_path}/2.json")
    one = (tmp_path / "1.json").read_bytes()
    assert one == (tmp_path / "2.json").read_bytes()
    assert list(json.loads(one)) == sorted(json.loads(one))


def test_a_manifest_is_an_inventory_by_its_domains_and_its_hash(tmp_path):
    card = TokenizerCard(
        file="tokenizer.json",
        hash=digest(b"{}"),
        vocab=300,
        eos_id=0,
        eos_text="<|endoftext|>",
        bos_id=None,
        policy="one eos after each document",
    )
    origin = Origin("s", np.arange(1), pa.array(["a"]))
    entries = [
        write_shard(
            str(tmp_path), name, np.array([n]), np.zeros(n), np.dtype("<u2"), domain=domain, text_bytes=n, origin=origin
        )
        for name, domain, n in (("web/0", "web", 7), ("web/1", "web", 2), ("code/0", "code", 6))
    ]
    url = f"{tmp_path}/manifest.json"
    write_manifest(url, manifest_of(card, entries))
    held = inventory(url)
    assert held.tokens == {"code": 6, "web": 9}
    assert held.inputs == blake2b((tmp_path / "manifest.json").read_bytes(), digest_size=16).hexdigest()
    assert Proportional().mix(held).weights == {"code": 0.4, "web": 0.6}
    with pytest.raises(ShardError, match=r"gone/manifest\.json"):
        inventory(f"{tmp_path}/gone/manifest.json")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"weights": {"code": 0.4, "web": 0.6000001}}, r"sum to 1\.0000001"),
        ({"weights": {"code": 0.4, "wbe": 0.6}}, "same domains: wbe, web"),
        ({"weights": {"web": 1.0}}, "same domains: code"),
        ({"weights": {"code": -0.4, "web": 1.4}}, r"weights\.code"),
        ({"weights": {"code": "0.4", "web": 0.6}}, r"weights\.code: Input should be a valid number, found '0\.4'"),
        ({"tokens": {"code": 0, "web": 900}}, r"tokens\.code: .* greater than or equal to 1, found 0"),
        ({"tokens": {"code": 10**400, "web": 900}}, r"tokens\.code"),
        ({"tokens": {"code": 601, "web": 900}}, r"1\.0 epochs of 'code'"),
        ({"budget": 1_501}, "epochs of 'code'.* changed by hand"),
        ({"budget": 0}, "budget"),
        ({"budget": None}, "epochs are due for 0 domains, not 2"),
        ({"epochs": {}}, "epochs are due for 2 domains, not 0"),
        ({"epochs": {"code": float("nan"), "web": 1.0}}, "epochs of 'code'"),
        ({"capped": ["wbe"]}, "same domains: wbe"),
        ({"inputs": "AB" * 16}, "inputs"),
        ({"format": "winnow-mixture/2"}, "format: .*winnow-mixture/1"),
        ({"sede": 1}, "sede: Extra inputs"),
    ],
)
def test_a_file_that_contradicts_itself_is_refused_with_the_contradiction(tmp_path, change, said):
    Proportional().mix(HELD, 1_500).save(url := f"{tmp_path}/mixture.json")
    kept = json.loads(Path(url).read_text())
    assert Mixture.load(url).epochs == {"code": 1.0, "web": 1.0}
    write_bytes(url, json.dumps(kept | change).encode())
    with pytest.raises(ShardError, match=f"(?s){re.escape(url)}.*{said}"):
        Mixture.load(url)


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff", b"null", b"[" * 100_000])
def test_what_is_no_mixture_at_all_is_refused(tmp_path, content):
    write_bytes(url := f"{tmp_path}/mixture.json", content)
    with pytest.raises(ShardError, match="not a mixture that this version reads"):
        Mixture.load(url)
    with pytest.raises(ShardError, match="no mixture there"):
        Mixture.load(f"{tmp_path}/other.json")


def test_a_mixture_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        Uniform().mix(HELD).budget = 5


def test_the_page_shows_what_its_code_makes():
    shown = json.loads(re.search(r"```json\n(.*?)```", PAGE.read_text(), re.S)[1])
    held = Inventory(shown["tokens"], shown["inputs"])
    made = UniMax(most_epochs=4.0).mix(held, shown["budget"])
    assert made.model_dump(mode="json") == shown


def test_the_page_names_every_method_and_every_key():
    page = PAGE.read_text()
    assert all(f"| `{name}` |" in page for name in [*TABLE, *Mixture.model_fields])


def test_a_weight_of_zero_leaves_a_domain_out():
    mixture = Static(weights={"code": 0, "web": 1}).mix(HELD, 1_800)
    assert (mixture.weights, mixture.epochs) == ({"code": 0.0, "web": 1.0}, {"code": 0.0, "web": 2.0})
