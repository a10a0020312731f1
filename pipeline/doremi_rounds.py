"""`winnow mix doremi`: from what the command line says to rounds that are trained, and the mixture they end in.

Under torchrun every process calls this; the first one tells and writes.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from corpus.errors import RecipeError
from corpus.manifest import read_manifest
from corpus.storage import exists, join, located, write_bytes
from mixtures.doremi import SMOOTHING, STEP_SIZE
from mixtures.doremi_mixture import MOST_EPOCHS, UNIFORM, Search, mixture, refuse_budget, tokenizer_of
from mixtures.inventory import Inventory, inventory
from mixtures.mixture import Mixture
from pipeline.home import REPORT
from pipeline.mixing import mixture_place, whole_tokens
from pipeline.places import page_place
from pipeline.swarming import proxy_settings
from pipeline.training import first, needed

if TYPE_CHECKING:
    from mixtures.doremi_mixture import Round

MIXTURE = "mixture.json"
"""In the folder of the search, where no other place is asked for."""

TRACE = "trace.jsonl"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The options of the verb, as they were given; None: not given."""

    rounds: int = 3
    step_size: float = STEP_SIZE
    smoothing: float = SMOOTHING
    sampling: str = UNIFORM
    reference: str | None = None
    budget: str | None = None
    most_epochs: float | None = None
    seed: int = 0
    out: str | None = None
    overwrite: bool = False
    html: str | None = None


def doremi(at: str, out: str, overrides: Sequence[str], asked: Asked) -> dict[str, Any]:
    """Train the rounds into the folder `out`, or go on there; the facts of docs/reference/json.md.

    at: as of `winnow train`. Errors as `mixtures.proxies.doremi.rounds`, and RecipeError for what does not fit.
    """
    settings = proxy_settings(at, out, overrides).model_copy(update={"seed": asked.seed})
    with needed():
        from mixtures.proxies.doremi import rounds
        from mixtures.proxies.searched import smallest_batch

        if asked.html is not None:
            from pipeline.report import doremi_page  # noqa: F401 - needs plotly; better said before hours of training
    if exists(join(out, REPORT)):
        raise RecipeError(f"--at {out}: a corpus lies there; give the search a folder of its own")
    held, tokenizer = inventory(settings.tokens), read_manifest(settings.tokens).tokenizer.hash
    budget = whole_tokens(asked.budget, "--budget")
    most = MOST_EPOCHS if asked.most_epochs is None else asked.most_epochs
    refuse_budget(held, budget, most)
    if asked.html is not None:
        page_place(asked.html, overwrite=True)
    place = join(out, MIXTURE) if asked.out is None else mixture_place(asked.out, asked.overwrite)
    search = searched(asked, held, tokenizer)
    found = rounds(settings, held, Path(located(out)), search, told)
    made = mixture(
        search,
        found,
        held,
        tokenizer=tokenizer,
        sequences=smallest_batch(settings),
        seed=asked.seed,
        budget=budget,
        most_epochs=most,
    )
    facts = _facts(out, place, asked.html, found, made)
    if first():
        made.save(place)
        _page(asked.html, facts)
    return facts


def told(said: str) -> None:
    """A line on stderr."""
    print(f"winnow: {said}", file=sys.stderr, flush=True)


def searched(asked: Asked, held: Inventory, tokenizer: str) -> Search:
    """The search of these options over these tokens. RecipeError where its reference is of other domains."""
    name = asked.reference or ("proportional" if asked.rounds == 1 else "uniform")
    own: dict[str, Any] = {"first": _simple(name, held.tokens)}
    if not own["first"]:
        own = _brought(name, held)
    return Search(
        rounds=asked.rounds,
        step_size=asked.step_size,
        smoothing=asked.smoothing,
        sampling=asked.sampling,
        reference=name,
        **own,
    )


def _simple(name: str, tokens: Mapping[str, int]) -> dict[str, float]:
    """Weights that have a name; none where it is no such name."""
    if name not in ("uniform", "proportional"):
        return {}
    parts = dict(tokens) if name == "proportional" else dict.fromkeys(tokens, 1)
    whole = sum(parts.values())
    return {domain: part / whole for domain, part in parts.items()}


def _brought(url: str, held: Inventory) -> dict[str, Any]:
    """Weights of a mixture.json, which may be of other tokens: that is told as an alarm."""
    if not url.endswith(".json"):
        raise RecipeError(f"--reference: {url!r} is not known; give proportional, uniform or a mixture.json")
    found = Mixture.load(url)
    if strange := sorted(found.weights.keys() ^ held.tokens.keys()):
        raise RecipeError(
            f"--reference {url}: not of the same domains as the tokens: {', '.join(strange[:8])}. Give weights of "
            f"these tokens' domains: {', '.join(sorted(held.tokens)[:8])}."
        )
    weights = {domain: found.weights[domain] for domain in held.tokens}
    return {"first": weights, "found_with": tokenizer_of(found), "same_tokens": found.inputs == held.inputs}


def _facts(out: str, place: str, html: str | None, found: "Sequence[Round]", made: Mixture) -> dict[str, Any]:
    return {
        "doremi": out,
        "out": place,
        "html": html,
        "traces": [join(out, f"round-{number}/{TRACE}") for number in range(1, len(found) + 1)],
        "seconds": round(sum(one.seconds for one in found), 3),
        "mixture": made.model_dump(mode="json"),
    }


def _page(html: str | None, facts: dict[str, Any]) -> None:
    if html is not None:
        from pipeline.report.doremi_page import page

        write_bytes(html, page(facts).encode())
