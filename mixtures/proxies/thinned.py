"""Tokens cut down so that a small run repeats each domain as often as a large one would: simulated epoching.

A proxy of a thousandth of the real budget never sees a small domain twice, and praises it as if there were no end of
it; the best mixture shifts with repetition (arXiv 2606.07597). With budget / target budget of each domain's documents
the passes of a proxy are those of the real run at the same weights, and so are the caps of `most_epochs`.
"""

from pathlib import Path

import numpy as np

from corpus import shards
from corpus.errors import RecipeError
from corpus.manifest import ShardEntry, manifest_of, write_manifest
from corpus.storage import exists, join, read_bytes, write_bytes
from corpus.tokens import Origin, TokenShard, write_shard
from trainer.reading.held import Held, opened
from trainer.reading.held_out import content_hashes, held_out

MANIFEST = "manifest.json"


def thinned(manifest_url: str, budget: int, target: int, out_share: float, at: Path) -> str:
    """A folder within `at` of tokens with budget / target of what each domain has to train on; its manifest's path.

    Which documents stay is said by their content alone. The held-out documents (`out_share` of them,
    trainer/reading/held_out.py) stay all, and stay held out, so losses are comparable. Made once. RecipeError where the
    target is no larger than the budget.
    """
    if target <= budget:
        raise RecipeError(
            f"swarm: a target budget of {target:,} tokens, and proxies of {budget:,}: it is that of the real run, and "
            f"larger. Leave it out where proxies are as long as that."
        )
    held = opened(manifest_url, verify=False)
    folder = at.absolute() / f"tokens-{held.inputs[:12]}-{budget}-{target}-{out_share!r}"  # for workers anywhere
    if not (folder / MANIFEST).exists():
        stays = _stays(held, budget / target, out_share)
        entries = [_cut(held, n, stays, str(folder)) for n in range(len(held.shards))]
        card = held.manifest.tokenizer
        beside = join(held.url.rpartition("/")[0] or ".", card.file)
        if Path(card.file).name == card.file and exists(beside):
            write_bytes(str(folder / card.file), read_bytes(beside))
        write_manifest(str(folder / MANIFEST), manifest_of(card, entries))  # last, so a folder that has one is whole
    return str(folder / MANIFEST)


def _stays(held: Held, share: float, out_share: float) -> dict[str, np.ndarray]:
    """By domain, which documents stay: bool [N]. Of those to train on the least hashes, as many as come nearest."""
    out, hashes = held_out(held, out_share), content_hashes(held)
    found = {}
    for domain, starts in held.starts.items():
        lengths = np.where(out[domain], 0, np.diff(starts))
        train = np.flatnonzero(~out[domain])
        order = train[np.argsort(hashes[domain][train], kind="stable")]
        sums = np.cumsum(lengths[order])
        many = 1 + int(np.argmin(np.abs(sums - share * sums[-1]))) if len(sums) else 0
        found[domain] = out[domain].copy()
        found[domain][order[:many]] = True
    return found


def _cut(held: Held, n: int, stays: dict[str, np.ndarray], folder: str) -> ShardEntry:
    """One shard; the bytes of its text are in proportion to the tokens, for nobody counted them by document."""
    shard, entry = held.shards[n], held.entries[n]
    before = sum(len(held.shards[m]) for m in range(n) if held.entries[m].domain == entry.domain)
    some = np.flatnonzero(stays[entry.domain][before : before + len(shard)])
    url = f"{held.url.rpartition('/')[0] or '.'}/{entry.path}"
    rows = shards.read(f"{url}.rows.parquet", ["row", "id"])
    ids = _tokens(shard, some)
    return write_shard(
        folder,
        entry.path,
        shard.lengths[some],
        ids,
        shard.ids.dtype,
        domain=entry.domain,
        text_bytes=entry.bytes * len(ids) // max(1, entry.tokens),
        origin=Origin(entry.source, rows["row"].to_numpy()[some], rows["id"].combine_chunks().take(some)),
    )


def _tokens(shard: TokenShard, some: np.ndarray) -> np.ndarray:
    """The tokens of some documents end to end."""
    lengths = shard.lengths[some]
    ahead = np.cumsum(lengths) - lengths
    return np.asarray(shard.ids[np.repeat(shard.starts[some] - ahead, lengths) + np.arange(int(lengths.sum()))])
