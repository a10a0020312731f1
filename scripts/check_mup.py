"""Coordinate check and rate transfer of muP on a text, beside the standard parametrization: docs/training.md's figures.

    python scripts/check_mup.py TEXT [--widths 32 64 128 256] [--base 64] [--steps 200] [--out mup.json]

TEXT: a file, of which the last 4 MB at most are trained on as bytes. One core; hours by default.
"""

import argparse
import json
import platform
from datetime import date
from pathlib import Path

import torch

from trainer.model.settings import ModelSettings
from trainer.optim.coordinates import coordinate_check
from trainer.optim.transfer import Transfer, transfer

RATES = tuple(2.0**-power for power in range(11, 2, -1))


def main() -> None:
    asked = _asked()
    torch.set_num_threads(1)
    text = asked.text.read_bytes()
    found = {kind: _transferred(kind, text, asked) for kind in asked.kinds}
    slopes = {kind: _slopes(kind, asked.base) for kind in found}
    figures = {
        "measured": {"date": date.today().isoformat(), "torch": torch.__version__, "machine": platform.machine()},
        "text": {"bytes": len(text), "name": asked.text.name},
        "steps": asked.steps,
        "sequences_a_step": asked.batch,
        "seeds": asked.seeds,
        "base_width": asked.base,
        "slopes": slopes,
        "transfer": {kind: _figures(one) for kind, one in found.items()},
        "as_good_as_standard": len(found) == 2 and found["mup"].as_good_as(found["standard"]),
    }
    print(json.dumps({"slopes": slopes, "as_good_as_standard": figures["as_good_as_standard"]}))
    if asked.out:
        asked.out.write_text(json.dumps(figures, indent=1) + "\n")


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text", type=Path)
    parser.add_argument("--widths", type=int, nargs="+", default=[32, 64, 128, 256])
    parser.add_argument("--base", type=int, default=64, help="width at which muP is the standard parametrization")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--kinds", nargs="+", default=["standard", "mup"])
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


def _transferred(kind: str, text: bytes, asked: argparse.Namespace) -> Transfer:
    width = asked.widths[0]
    smallest = ModelSettings(
        layers=2,
        width=width,
        heads=max(1, width // 16),
        head_dim=16,
        ffn_width=3 * width,
        vocab=256,
        context=64,
        parametrization=kind,  # type: ignore[arg-type]
        base_width=asked.base,
    )
    print(f"{kind}\nwidth  " + "".join(f"{rate:>9.5f}" for rate in RATES))
    found = transfer(
        smallest,
        text,
        widths=asked.widths,
        rates=RATES,
        steps=asked.steps,
        batch=asked.batch,
        seeds=asked.seeds,
        told=_cell,
    )
    best = ", ".join(f"{RATES[one]:g}" for one in found.best)
    print(f"\nbest rates {best}; moved {found.moved}; carries over: {found.carries_over}")
    return found


def _cell(width: int, rate: float, loss: float) -> None:
    start = f"\n{width:>5}  " if rate == RATES[0] else ""
    print(f"{start}{loss:>9.3f}", end="", flush=True)


def _slopes(kind: str, base: int) -> dict[str, float]:
    shape = ModelSettings(
        layers=2,
        width=64,
        heads=4,
        ffn_width=192,
        vocab=256,
        context=32,
        parametrization=kind,  # type: ignore[arg-type]
        base_width=base,
    )
    found = coordinate_check(shape)
    return {"residual": round(found.residual_slope, 4), "logits": round(found.logits_slope, 4)}


def _figures(found: Transfer) -> dict[str, object]:
    return {
        "widths": found.widths,
        "rates": found.rates,
        "losses": found.losses.round(4).tolist(),
        "best_rates": [found.rates[best] for best in found.best],
        "moved": found.moved,
        "carries_over": found.carries_over,
    }


if __name__ == "__main__":
    main()
