"""Every mixing method on six real domains, several seeds, one judged table: docs/mixing.md's figures.

    python -m scripts.compare_mixtures ../shared/data/corpus --at /tmp/six [--seeds 5] [--workers 2] [--out FILE.json]

scripts/six_domains.py makes the tokens. A swarm of 32 proxies serves RegMix and the mixing law, another of 28 in three
rounds CLIMB, two rounds of DoReMi their own; formulas need none. All mixtures are then judged by proxies of 500,000
tokens, five seeds each; the online methods are runs of the same settings and seeds, whose domains change on the way.
Each step is the verb that a user types, and goes on where it was stopped: 45 minutes on two cores are enough.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from mixtures.judge.measured import Measured, Run, target_of
from mixtures.judge.verdict import Verdict
from mixtures.mixture import Mixture
from scripts.six_domains import made

SETTINGS = {
    "model": {"layers": 2, "width": 48, "heads": 4, "ffn_width": 128, "context": 128},
    "budget": 500_000,
    "batch": {"tokens": 1024, "micro": 8},
    "optimizer": {"rate": 0.01},
    "schedule": {"warmup": 0.05},
    "evaluation": {"held_out": 0.03, "most_tokens": 15_000, "every": 0},
    "checkpoints": {"every": 0, "keep": 1, "asynchronous": False},
    "stability": {"spikes": False},
    "most_epochs": 8,
    "precision": "fp32",
    "compile": False,
    "device": "cpu",
}
BUDGET = "8M"
"""Of the mixtures: at most four passes over a domain let german be 14 % of it, so caps are met."""

SIMPLE = {"uniform": (), "proportional": (), "temperature": ("--tau", "2"), "unimax": ()}
ONLINE = ("odm", "ado")


class Bench:
    """A folder of steps: each step's seconds and CPU seconds are kept with its answer, so none is done twice."""

    def __init__(self, at: Path, run: Path, workers: int) -> None:
        self.at, self.run, self.workers = at, run, workers
        self.recipe = at / "proxies.yaml"
        tokens = {"tokens": str(run.resolve())}
        self.recipe.write_text(json.dumps({"name": "proxies", "train": tokens | SETTINGS}))  # JSON is YAML

    def step(self, name: str, *words: object) -> dict[str, Any]:
        """What the verb says, with what it took."""
        kept = self.at / f"{name}.step.json"
        if not kept.exists():
            begun, before = time.perf_counter(), os.times()
            said = self._said(*words)
            after = os.times()
            cpu = after.children_user + after.children_system - before.children_user - before.children_system
            took = {"seconds": round(time.perf_counter() - begun, 1), "cpu_seconds": round(cpu, 1)}
            kept.write_text(json.dumps({"took": took, "said": said}))
            print(f"{name}: {took['seconds']:.0f} s, {took['cpu_seconds']:.0f} CPU s", flush=True)
        return json.loads(kept.read_text())

    def _said(self, *words: object) -> dict[str, Any]:
        command = [sys.executable, "-m", "pipeline", *map(str, words), "--json"]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
        if done.returncode:
            raise SystemExit(f"{' '.join(command)}: exit {done.returncode} {done.stdout[-500:]}")
        return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    asked = _asked()
    asked.at.mkdir(parents=True, exist_ok=True)
    bench = Bench(asked.at, made(asked.corpus, asked.at), asked.workers)
    mixtures = proposed(bench)
    workers = ("--workers", asked.workers)
    judged = bench.step(
        f"judge-{asked.seeds}",
        "mix",
        "judge",
        bench.recipe,
        *mixtures.values(),
        "--at",
        bench.at / "judge",
        "--seeds",
        asked.seeds,
        *workers,
    )
    online = {
        (name, seed): bench.step(f"{name}-{seed}", *_online(bench, name, seed))
        for name in ONLINE
        for seed in range(asked.seeds)
    }
    verdict = _verdict(judged["said"], online)
    print(table(bench, verdict, mixtures, online))
    if asked.out:
        asked.out.write_text(json.dumps({"verdict": verdict.to_dict(), "took": _took(bench)}, indent=1) + "\n")


def proposed(bench: Bench) -> dict[str, Path]:
    """The mixture of every method that ends in one."""
    for name, more in (("swarm", ("--runs", 32)), ("climb", ("--runs", 28, "--rounds", 3))):
        place = ("--at", bench.at / name, "--workers", bench.workers)
        bench.step(name, "mix", "swarm", bench.recipe, *place, *more)
    paths = {name: bench.at / f"{name}.json" for name in (*SIMPLE, "regmix", "mixing_law", "climb", "doremi")}
    for name, path in paths.items():
        to = ("--budget", BUDGET, "--out", path, "--overwrite")
        if name == "doremi":
            bench.step(name, "mix", name, bench.recipe, "--at", bench.at / name, "--rounds", 2, *to)
        elif name in SIMPLE:
            bench.step(name, "mix", name, bench.run, *SIMPLE[name], *to)
        else:
            method, folder = ("regmix", "climb") if name == "climb" else (name, "swarm")
            bench.step(f"{name}-fit", "mix", method, bench.run, "--runs", bench.at / folder / "runs.jsonl", *to)
    return paths


def _online(bench: Bench, name: str, seed: int) -> list[object]:
    said = (f"train.online.method={name}", f"train.seed={seed}")
    return [
        "train",
        bench.recipe,
        "--at",
        bench.at / f"{name}-{seed}",
        *(word for one in said for word in ("--set", one)),
    ]


def _verdict(judged: dict[str, Any], online: dict[tuple[str, int], dict[str, Any]]) -> Verdict:
    """All methods in one family of comparisons; proxies of a seed began with the same weights of the model."""
    runs = [
        Run(name, proxy["seed"], proxy["losses"], proxy["why"])
        for name, one in judged["mixtures"].items()
        for proxy in one["proxies"]
    ]
    for (name, seed), step in online.items():
        losses = {domain: one["bits_per_byte"] for domain, one in step["said"]["held_out"].items()}
        runs.append(Run(name, seed, losses))
    measured = Measured.of(runs)
    return Verdict.of(measured, target_of(None, measured.domains, "compare"), "proportional")


def table(bench: Bench, verdict: Verdict, mixtures: dict[str, Path], online: dict[tuple[str, int], Any]) -> str:
    """Markdown: a row a method, best first, then who is told apart from whom."""
    said = verdict.to_dict()
    domains = list(said["domains"])
    lines = ["| method | rank | bits a byte, mean | " + " | ".join(domains) + " | search, CPU s | weights |"]
    lines.append("|" + " --- |" * (len(domains) + 5))
    measured = verdict.measured
    seeds = [measured.seeds.index(seed) for seed in verdict.overall.seeds]
    for one in said["ranking"]:
        name = one["mixture"]
        own = measured.losses[measured.mixtures.index(name), seeds].mean(axis=0)
        bits = " | ".join(f"{value:.3f}" for value in own)
        cost = _cost(bench, name)
        lines.append(
            f"| {name} | {one['rank']} | {one['mean']:.4f} | {bits} | {cost:.0f} | {_weights(name, mixtures, online)} |"
        )
    return "\n".join([*lines, "", *said["verdict"], "", *said["notes"]])


def _cost(bench: Bench, name: str) -> float:
    """CPU seconds of what the method needs before its mixture is known; an online run needs nothing."""
    steps = {
        "regmix": ("swarm", "regmix-fit"),
        "mixing_law": ("swarm", "mixing_law-fit"),
        "climb": ("climb", "climb-fit"),
    }
    files = [bench.at / f"{step}.step.json" for step in steps.get(name, (name,))]
    return sum(json.loads(file.read_text())["took"]["cpu_seconds"] for file in files if file.exists())


def _weights(name: str, mixtures: dict[str, Path], online: dict[tuple[str, int], Any]) -> str:
    if name in mixtures:
        weights = Mixture.load(str(mixtures[name])).weights
    else:
        weights = {domain: one["share"] for domain, one in online[name, 0]["said"]["domains"].items()}
    return ", ".join(f"{domain} {weight:.2f}" for domain, weight in sorted(weights.items()))


def _took(bench: Bench) -> dict[str, Any]:
    return {
        path.name.removesuffix(".step.json"): json.loads(path.read_text())["took"]
        for path in sorted(bench.at.glob("*.step.json"))
    }


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--at", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
