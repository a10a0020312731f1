"""Samples of the kept text of a finished run: by bytes or by a mixture, the same documents however they are sharded."""

from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus.documents import DOMAIN, ID
from corpus.errors import RecipeError, TokenizerError
from mixtures.mixture import Mixture
from pipeline.finished import Finished, kept
from pipeline.tokenizing.training import sampled


def kept_bytes(run: Finished) -> dict[str, int]:
    """Bytes of kept text by domain, those without any left out. TokenizerError where nothing was kept."""
    sizes = {name: one["bytes"]["kept"] for name, one in sorted(run.report["domains"].items()) if one["bytes"]["kept"]}
    if not sizes:
        raise TokenizerError(
            f"{run.home.at}: no document was kept, so there is no text to look at; see `winnow report`"
        )
    return sizes


def shares(sizes: Mapping[str, int], mb: float, weights: Mapping[str, float] | None = None) -> dict[str, float]:
    """Which share of each domain's text makes `mb` MB of all: the same of every domain, or by weight.

    A domain that holds less than its due gives all it has, and the others no more for it.
    """
    if not 0 < mb < float("inf"):
        raise RecipeError(f"a sample of {mb!r} MB was asked for; give a number above 0")
    whole = sum(sizes.values())
    due = {name: (sizes[name] / whole if weights is None else weights.get(name, 0.0)) * mb * 1e6 for name in sizes}
    return {name: min(1.0, due[name] / sizes[name]) for name in sizes}


def mixed(url: str, sizes: Mapping[str, int]) -> dict[str, float]:
    """The weights of a mixture.json for these domains; RecipeError where it is of others, or of buckets."""
    mixture = Mixture.load(url)
    if mixture.by is not None:
        raise RecipeError(
            f"{url}: its domains are buckets of {mixture.by.column!r}; a sample is drawn by the documents' own"
        )
    if strange := sorted(name for name, weight in mixture.weights.items() if weight and name not in sizes):
        raise RecipeError(f"{url}: no text was kept of {', '.join(strange[:8])}; there are: {', '.join([*sizes][:20])}")
    return mixture.weights


def documents(run: Finished, share: Mapping[str, float], seed: int) -> Iterator[pa.Table]:
    """The kept documents of the sample, shard by shard, with every column beside them."""

    def chosen(table: pa.Table) -> pa.Array:
        coded = pc.dictionary_encode(table[DOMAIN].combine_chunks())
        by_code = np.array([share.get(name, 0.0) for name in coded.dictionary.to_pylist()] or [0.0])
        inside = sampled(table[ID].combine_chunks(), by_code[coded.indices.to_numpy()], seed)
        return pc.and_(kept(table), pa.array(inside))

    return run.tables(chosen)
