"""A scaling law from bytes of real text on one machine's cores: the sweep's own acceptance, docs/training.md's figures.

    python -m scripts.sweep_bytes CORPUS --at FOLDER [--budgets 1.5e11 3e11 6e11 1.2e12] [--workers 2] [--out FILE]

CORPUS: a folder of *.jsonl.zst and *.jsonl.gz, read as bytes, a domain a file's first name. The four budgets with
their sizes and rates are 1.5e13 FLOPs; the same command goes on where it was stopped.

Beside the sweep's own back-test (the law of all lower runs, at the top budget's best run) stands another: a power of
compute through the least losses of the lower budgets' parabolas.
"""

import argparse
import json
import os
import platform
import time
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from corpus.manifest import TokenizerCard, digest, manifest_of, write_manifest
from corpus.tokens import Origin, write_shard
from scaling.approaches import fit_isoflop
from scripts.corpus_texts import sample
from trainer.jobs.workers import Done
from trainer.sweep.grid import RATES, Grid
from trainer.sweep.law import facts, found, written
from trainer.sweep.sweep import Swept, swept

EOS, VOCAB = 256, 257
PIECE = 2048  # bytes of a document: whole novels would make held-out text one novel


def shards(texts: dict[str, list[str]], folder: Path) -> str:
    """Bytes of the texts as token shards, an end token after each; the manifest's URL."""
    entries = []
    for domain, own in sorted(texts.items()):
        documents = [np.append(piece, np.uint16(EOS)) for text in own for piece in _pieces(text)]
        lengths, ids = np.array([len(one) for one in documents]), np.concatenate(documents)
        origin = Origin("texts", np.arange(len(documents)), pa.array([f"{domain}-{n}" for n in range(len(documents))]))
        size = len(ids) - len(documents)
        entries.append(
            write_shard(
                str(folder), f"{domain}/00000", lengths, ids, ids.dtype, domain=domain, text_bytes=size, origin=origin
            )
        )
    card = TokenizerCard(
        file="tokenizer.json",
        hash=digest(b"bytes"),
        vocab=VOCAB,
        eos_id=EOS,
        eos_text="<|endoftext|>",
        bos_id=None,
        policy="one eos after each document",
    )
    write_manifest(f"{folder}/manifest.json", manifest_of(card, entries))
    return f"{folder}/manifest.json"


def _pieces(text: str) -> list[np.ndarray]:
    raw = np.frombuffer(text.encode(), np.uint8).astype(np.uint16)
    return np.split(raw, range(PIECE, len(raw), PIECE)) if len(raw) else []


def main() -> None:
    asked = _asked()
    manifest = f"{asked.at}/tokens/manifest.json"
    if not Path(manifest).exists():
        texts = sample(asked.corpus, asked.each)
        shards({name: texts[name] for name in asked.domains or texts}, asked.at / "tokens")
    grid = Grid(tokens=manifest, vocab=VOCAB, budgets=tuple(asked.budgets), rates=tuple(asked.rates), sizes=asked.sizes)
    begun = time.perf_counter()
    done = swept(grid, asked.at, workers=asked.workers, told=_told)
    fits = found(done)
    written(done, fits, asked.at)
    machine = {"date": date.today().isoformat(), "torch": torch.__version__, "machine": platform.machine()}
    figures = machine | {"seconds": round(time.perf_counter() - begun), "workers": asked.workers} | facts(done, fits)
    figures |= {"minima": minima(done)}
    print(json.dumps(figures, indent=1))
    if asked.out:
        asked.out.write_text(json.dumps(figures, indent=1) + "\n")


def minima(done: Swept) -> dict[str, object]:
    """Least losses of the isoFLOP parabolas, and the top one from L = k C^-p through the others; budgets that have none
    inside their sizes are left out. FitError with fewer than two."""
    fit = fit_isoflop(*done.columns(), bootstraps=0)
    power, scale = np.polyfit(np.log(fit.flops[:-1]), np.log(fit.loss[:-1]), 1)
    predicted = float(np.exp(scale) * fit.flops[-1] ** power)
    losses = fit.loss.round(4).tolist()
    return {"params": fit.params.round().tolist(), "loss": losses, "predicted": predicted,
            "error": predicted / float(fit.loss[-1]) - 1}  # fmt: skip


def _told(one: Done) -> None:
    loss = one.why if one.loss is None else f"{one.loss:.4f}"
    where = f"{one.job.budget:.3g} FLOPs {one.job.params:>9,.0f} params {one.tokens:>11,} tokens"
    print(f"{where} rate {one.job.rate:.5f}  {loss}  {one.seconds:.0f} s", flush=True)


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--at", type=Path, required=True)
    parser.add_argument("--budgets", type=float, nargs="+", default=[1.5e11, 3e11, 6e11, 1.2e12])
    parser.add_argument("--rates", type=float, nargs="+", default=RATES)
    parser.add_argument("--sizes", type=int, default=5)
    parser.add_argument("--each", type=int, default=1_000_000, help="texts of a file, at most")
    parser.add_argument("--domains", nargs="*", help="of the corpus; all where absent")
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
