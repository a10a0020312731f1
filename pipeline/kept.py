"""The kept documents: their tokens by domain, and the digest of the whole run.

One map over shards reads each kept text once, digests it with every column beside it, and writes its tokens
to one token shard a domain. A manifest then says what all of them hold.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus import shards
from corpus.buffers import total_bytes
from corpus.documents import DOMAIN, ID, TEXT
from corpus.errors import TokenizerError
from corpus.manifest import ShardEntry, manifest_of, write_manifest
from corpus.storage import exists, join, names, read_bytes, write_bytes
from corpus.tokens import Origin, domain_folder, write_shard
from pipeline.digest import joined, table_digest
from pipeline.engine import Engine
from pipeline.home import Home
from pipeline.plan import TOKENIZER, Plan, Step
from pipeline.progress import Progress
from pipeline.spent import Spent, Stopwatch
from pipeline.tally import Tally
from pipeline.tokenize import Tokenizer, sampled, train_bpe
from pipeline.tokenizing.engines import Name
from pipeline.tokenizing.proof import PROOF_MB, Verdict, checked, proven
from pipeline.tokenizing.proof import SEED as PROOF_SEED
from pipeline.view import View

SEED = 11  # of the sample of documents that a tokenizer is trained on
MANIFEST = "manifest.json"
ENGINE = "engine.json"  # what made the tokens beside it; their bytes do not depend on it


@dataclass(frozen=True)
class Sample:
    """Task: the kept texts of a shard that belong to the training sample."""

    plan: Plan
    at: str
    share: float

    def __call__(self, name: str) -> tuple[list[str], Spent]:
        """Texts in order; at most about `train_mb` over all shards."""
        watch = Stopwatch()
        with watch("sample"):
            view = View(self.plan, self.at, name)
            chosen = view.kept & sampled(view.documents([ID])[ID].combine_chunks(), self.share, SEED)
            texts = view.documents([TEXT])[TEXT].filter(pa.array(chosen)).to_pylist()
        return texts, watch.spent()


@dataclass(frozen=True)
class ProofSample:
    """Task: kept documents of a shard on which tokenizer engines are compared."""

    plan: Plan
    at: str
    share: float

    def __call__(self, name: str) -> tuple[pa.Table, Spent]:
        """Ids and texts, in order; at most about PROOF_MB over all shards."""
        watch = Stopwatch()
        with watch("sample"):
            view = View(self.plan, self.at, name)
            chosen = view.kept & sampled(view.documents([ID])[ID].combine_chunks(), self.share, PROOF_SEED)
            table = view.take(np.flatnonzero(chosen), [ID, TEXT])
        return table, watch.spent()


@dataclass(frozen=True)
class KeepShard:
    """Task: digest a shard and write the tokens of its kept documents."""

    plan: Plan
    at: str
    tokenizer: str | None  # URL of a tokenizer.json
    engine: Name = "huggingface"

    @cached_property
    def encoder(self) -> Tokenizer:
        """Loaded once a worker."""
        tokens = self.plan.recipe.tokens
        return Tokenizer.load(self.tokenizer, tokens.eos, self.engine)  # type: ignore[arg-type, union-attr]

    def __call__(self, name: str) -> dict[str, Any]:
        """What stands in `<name>.json`: digest, token shards, and what it took."""
        watch, view = Stopwatch(), View(self.plan, self.at, name)
        with watch("read"):
            kept = view.documents(None if self.tokenizer else self._but_text(view))
            kept = kept.append_column("row", pa.array(np.arange(kept.num_rows))).filter(pa.array(view.kept))
        with watch("digest"):
            identity = kept.drop_columns([TEXT]) if self.tokenizer else kept  # the text is in it by its digest
            digests = [table_digest(identity), *(table_digest(view.laid(step)) for step in self.plan.judged)]
        wrong: list[str] = []
        entries = [] if self.tokenizer is None else list(self._entries(name, kept, watch, wrong))
        said = [entry.model_dump() for entry in entries]
        result = {"digest": joined(digests), "entries": said, "mismatch": next(iter(wrong), None)}
        result |= {"spent": watch.spent()}
        write_bytes(join(self.at, self.plan.kept.folder, f"{name}.json"), json.dumps(result).encode())
        return result

    def _but_text(self, view: View) -> list[str]:
        return [name for name in shards.schema(view.url(self.plan.documents)).names if name != TEXT]

    def _entries(self, name: str, kept: pa.Table, watch: Stopwatch, wrong: list[str]) -> Iterator[ShardEntry]:
        for domain in sorted(kept[DOMAIN].unique().to_pylist()):
            rows = kept.filter(pc.equal(kept[DOMAIN], domain)).combine_chunks()
            with watch("tokens"):
                ids, lengths, mismatch = checked(self.encoder, rows[TEXT].combine_chunks(), rows[ID].combine_chunks())
            if mismatch is not None:  # what was wrong is made anew already; the reference goes on in this worker
                wrong.append(mismatch)
                self.__dict__["encoder"] = self.encoder.by("huggingface")
            with watch("write"):
                origin = Origin(name, rows["row"].to_numpy(), rows[ID].combine_chunks())
                yield write_shard(
                    join(self.at, self.plan.kept.folder),
                    f"{domain_folder(domain)}/{name}",
                    lengths,
                    ids,
                    self.encoder.dtype,
                    domain=domain,
                    text_bytes=total_bytes(rows[TEXT]),
                    origin=origin,
                )


@dataclass(frozen=True)
class Keeping:
    """The last step of a run: train or load the tokenizer, keep every shard, write the manifest."""

    plan: Plan
    home: Home
    engine: Engine
    progress: Progress
    shards: Sequence[str]

    def __call__(self, tally: Tally) -> dict[str, Any]:
        """The digest, the tokens (of all and by domain), their engine, and where the manifest is."""
        step = self.plan.kept
        tokenizer = self._tokenizer(tally) if self.plan.recipe.tokens else None
        verdict = self._engine(step, tokenizer, tally) if tokenizer else None
        done = names(self.home.path(step.folder))
        left = [name for name in self.shards if f"{name}.json" not in done]
        results = self._kept(step, tokenizer, verdict, left)
        wrong = next((one["mismatch"] for one in results if one["mismatch"]), None)
        if verdict and wrong and verdict.engine == "gigatoken":
            verdict = self._decided(step, verdict._replace(engine="huggingface", reason=f"a spot check found {wrong}"))
            results = self._kept(step, tokenizer, verdict, self.shards)
        return self._joined(step, tokenizer, results) | {"tokenizer_engine": verdict and verdict._asdict()}

    def _kept(
        self, step: Step, tokenizer: str | None, verdict: Verdict | None, left: Sequence[str]
    ) -> list[dict[str, Any]]:
        """Keep the shards that are left; what is said of all."""
        task = KeepShard(self.plan.slim, self.home.at, tokenizer, verdict.engine if verdict else "huggingface")
        with self.progress.step("tokens" if tokenizer else "digest", len(left)) as advance:
            for number, result in self.engine.map(task, left):
                self._log(step, left[number], result["spent"])
                advance(1)
        return [json.loads(read_bytes(self.home.path(step.folder, f"{name}.json"))) for name in self.shards]

    def _engine(self, step: Step, tokenizer: str, tally: Tally) -> Verdict:
        """Which engine makes the tokens: proven on a sample once, and kept beside them."""
        url = self.home.path(step.folder, ENGINE)
        if exists(url):
            return Verdict(**json.loads(read_bytes(url)))
        size = sum(size for _, size in tally.kept.values())
        task = ProofSample(self.plan.slim, self.home.at, min(1.0, PROOF_MB * 1e6 / max(size, 1)))
        tables: list[pa.Table] = [pa.table({})] * len(self.shards)
        with self.progress.step("proof", len(self.shards)) as advance:
            for number, (found, spent) in self.engine.map(task, self.shards):
                tables[number] = found
                self._log(step, self.shards[number], spent)
                advance(1)
            reference = Tokenizer.load(tokenizer, self.plan.recipe.tokens.eos)  # type: ignore[union-attr]
            return self._decided(step, proven(reference, tables))

    def _decided(self, step: Step, verdict: Verdict) -> Verdict:
        write_bytes(self.home.path(step.folder, ENGINE), json.dumps(verdict._asdict()).encode())
        self.home.log("tokenizer_engine", **verdict._asdict())
        return verdict

    def _joined(self, step: Step, tokenizer: str | None, results: list[dict[str, Any]]) -> dict[str, Any]:
        entries = [ShardEntry.model_validate(entry) for one in results for entry in one["entries"]]
        sums = [f"{e.domain}:{e.checksums.bin}:{e.checksums.idx}" for e in entries]
        url, by_domain = None, {}
        if tokenizer:
            manifest = manifest_of(Tokenizer.load(tokenizer, self.plan.recipe.tokens.eos).card, entries)  # type: ignore[union-attr]
            url = self.home.path(step.folder, MANIFEST)
            write_manifest(url, manifest)
            write_bytes(self.home.path(step.folder, "tokenizer.json"), read_bytes(tokenizer))
            by_domain = {name: total.tokens for name, total in manifest.domains.items()}
        return {
            "digest": joined([*(one["digest"] for one in results), *sums]),
            "tokens": sum(by_domain.values()),
            "domains": by_domain,
            "manifest": url,
        }

    def _tokenizer(self, tally: Tally) -> str:
        """The URL of the tokenizer: the recipe's own, or one trained on a sample of the kept text."""
        tokens = self.plan.recipe.tokens
        assert tokens is not None
        if tokens.tokenizer != "train":
            return tokens.tokenizer  # loaded once before anything was read (run.py), so it is one
        step = self.plan.named("tokenizer")[0]
        url = self.home.path(step.folder, "tokenizer.json")
        if not exists(url):
            self._train(step, url, tally)
        return url

    def _train(self, step: Step, url: str, tally: Tally) -> None:
        tokens = self.plan.recipe.tokens
        assert tokens is not None
        kept = sum(size for _, size in tally.kept.values())
        if kept == 0:
            raise TokenizerError(
                f"no document was kept, so there is no text to train a tokenizer on. `winnow run` without tokens, then "
                f"`winnow report {self.home.at}`, show what each stage dropped."
            )
        task = Sample(self.plan.slim, self.home.at, min(1.0, tokens.train_mb * 1e6 / kept))
        texts: list[list[str]] = [[] for _ in self.shards]
        with self.progress.step("tokenizer", len(self.shards)) as advance:
            for number, (some, spent) in self.engine.map(task, self.shards):
                texts[number] = some
                self._log(step, self.shards[number], spent)
                advance(1)
            watch = Stopwatch()
            with watch("train"):
                write_bytes(url, train_bpe(texts, tokens.vocab).encode())
            self._log(step, TOKENIZER, watch.spent())

    def _log(self, step: Step, item: str, spent: Spent) -> None:
        self.home.log("task", step=step.name, item=item, folders=[step.folder], spent=spent)
