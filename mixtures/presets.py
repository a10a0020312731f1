"""Published mixtures, each as its paper prints it, and the method that puts one of them on domains of one's own.

Nobody's domains are called like those of a paper, so a mapping says which is which, and it must be whole: every
published domain goes to one of ours or, in words, to none; every domain of ours gets something or, in words, nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from fractions import Fraction
from typing import NamedTuple

from corpus.errors import RecipeError
from mixtures.baselines import Method


class Published(NamedTuple):
    """A mixture as it was printed. `parts` in the unit of the source: percent, or billions of tokens."""

    source: str
    unit: str
    parts: dict[str, float]


PRESETS: dict[str, Published] = {
    "gpt3": Published(
        "Brown et al. 2020, arXiv 2005.14165, table 2.2",
        "percent",
        {"Common Crawl": 60, "WebText2": 22, "Books1": 8, "Books2": 8, "Wikipedia": 3},  # they sum to 101
    ),
    "pile": Published(
        "Gao et al. 2020, arXiv 2101.00027, table 1",
        "percent",
        {
            "Pile-CC": 18.11,
            "PubMed Central": 14.40,
            "Books3": 12.07,
            "OpenWebText2": 10.01,
            "ArXiv": 8.96,
            "Github": 7.59,
            "FreeLaw": 6.12,
            "Stack Exchange": 5.13,
            "USPTO Backgrounds": 3.65,
            "PubMed Abstracts": 3.07,
            "Gutenberg (PG-19)": 2.17,
            "OpenSubtitles": 1.55,
            "Wikipedia (en)": 1.53,
            "DM Mathematics": 1.24,
            "Ubuntu IRC": 0.88,
            "BookCorpus2": 0.75,
            "EuroParl": 0.73,
            "HackerNews": 0.62,
            "YoutubeSubtitles": 0.60,
            "PhilPapers": 0.38,
            "NIH ExPorter": 0.30,
            "Enron Emails": 0.14,
        },
    ),
    "doremi-pile": Published(
        "Xie et al. 2023, arXiv 2305.10429, table 1: 280 M proxy, 256k vocabulary; configs/ of sangmichaelxie/doremi",
        "percent",
        {
            "Pile-CC": 60.57,
            "PubMed Central": 0.46,
            "Books3": 2.24,
            "OpenWebText2": 10.19,
            "ArXiv": 0.36,
            "Github": 1.79,
            "FreeLaw": 0.43,
            "StackExchange": 1.53,
            "USPTO Backgrounds": 0.36,
            "PubMed Abstracts": 1.13,
            "Gutenberg (PG-19)": 0.72,
            "OpenSubtitles": 0.47,
            "Wikipedia (en)": 6.99,
            "DM Mathematics": 0.18,
            "Ubuntu IRC": 0.93,
            "BookCorpus2": 0.61,
            "EuroParl": 0.62,
            "HackerNews": 1.34,
            "YoutubeSubtitles": 5.02,
            "PhilPapers": 2.74,
            "NIH ExPorter": 0.63,
            "Enron Emails": 0.70,
        },
    ),
    "gopher": Published(
        "Rae et al. 2021, arXiv 2112.11446, table 2 (MassiveText)",
        "percent",
        {"MassiveWeb": 48, "Books": 27, "C4": 10, "News": 10, "GitHub": 3, "Wikipedia": 2},
    ),
    "chinchilla": Published(
        "Hoffmann et al. 2022, arXiv 2203.15556, table A1 (MassiveText)",
        "percent",
        {"MassiveWeb": 45, "Books": 30, "C4": 10, "News": 10, "GitHub": 4, "Wikipedia": 1},
    ),
    "llama": Published(
        "Touvron et al. 2023, arXiv 2302.13971, table 1",
        "percent",
        {
            "CommonCrawl": 67.0,
            "C4": 15.0,
            "Github": 4.5,
            "Wikipedia": 4.5,
            "Books": 4.5,
            "ArXiv": 2.5,
            "StackExchange": 2.0,
        },
    ),
    "redpajama-v1": Published(
        "Together 2023, dataset card of togethercomputer/RedPajama-Data-1T, token counts: every token once",
        "billion tokens",
        {
            "CommonCrawl": 878,
            "C4": 175,
            "GitHub": 59,
            "Books": 26,
            "ArXiv": 28,
            "Wikipedia": 24,
            "StackExchange": 20,
        },
    ),
    "olmo2": Published(
        "OLMo Team 2024, arXiv 2501.00656, table 1 (OLMo 2 1124 Mix): every token once",
        "billion tokens",
        {
            "DCLM-Baseline": 3710,
            "StarCoder": 83.0,
            "peS2o": 58.6,
            "arXiv": 20.8,
            "OpenWebMath": 12.2,
            "Algebraic Stack": 11.8,
            "Wikipedia & Wikibooks": 3.7,
        },
    ),
    "dolma-v1.7": Published(
        # The card's rows make 1,645 B tokens drawn, and it says that 1,715 B were: C4 at 100 % would explain it.
        "AI2 2024, dataset card of allenai/dolma, v1.7 (OLMo-7B-v1.7): tokens x sample proportion",
        "billion tokens",
        {
            "Dolma's CC": 597.75,  # 1,195.5 at 50 %
            "Refined Web": 456.4,
            "StarCoder": 263.8,
            "C4": 69.2,  # 138.4 at 50 %
            "Reddit": 79.9,
            "Semantic Scholar (peS2o)": 57.2,
            "arXiv": 28.0,
            "StackExchange": 19.6,
            "Flan": 16.5,
            "CC News": 14.3,
            "OpenWebMath": 12.6,
            "Algebraic Stack": 12.6,
            "Project Gutenberg": 5.3,
            "MegaWika": 4.6,
            "Wikipedia & Wikibooks": 7.4,  # 3.7 at 200 %
        },
    ),
}
"""Mixtures by name. Parts are summed as printed, rounding included, and divided by their sum."""


@dataclass(frozen=True, kw_only=True)
class Preset(Method):
    """A published mixture on our domains.

    mapping: each published domain -> ours, several to one where they add up, or "" for one that we lack: then the
    others grow in proportion. unused: domains of ours that get nothing. RecipeError where either leaves one out.
    """

    preset: str
    mapping: dict[str, str] = field(hash=False)
    unused: tuple[str, ...] = ()

    name = "preset"

    def __post_init__(self) -> None:
        parts = published(self.preset).parts
        for theirs in sorted(self.mapping.keys() - parts.keys()):
            near = get_close_matches(theirs, parts, 1, 0.4) or sorted(parts)[:8]
            raise RecipeError(f"{self.preset}: it has no domain {theirs!r}; did you mean {' or '.join(near)}?")
        if missing := [theirs for theirs in parts if theirs not in self.mapping]:
            raise RecipeError(
                f"{self.preset}: not mapped: {', '.join(missing)}. Say for each which of your domains it is, as "
                f"--map {missing[0]!r}=web, or that you have none such, as --map {missing[0]!r}="
            )

    def parts(self, tokens: Mapping[str, int], budget: int | None) -> dict[str, Fraction]:
        """domain -> the parts of the published domains that are mapped to it."""
        parts = dict.fromkeys(tokens, Fraction())
        for theirs, part in published(self.preset).parts.items():
            if ours := self.mapping[theirs]:
                parts[self._there(ours, tokens)] += Fraction(str(part))  # as printed: 18.11 is 1811/100
        self._refuse_forgotten(parts, tokens)
        if not any(parts.values()):
            raise RecipeError(
                f"{self.preset}: every one of its domains is mapped to none; map one to a domain of yours"
            )
        return parts

    def _there(self, ours: str, tokens: Mapping[str, int]) -> str:
        if ours not in tokens:
            near = get_close_matches(ours, tokens, 1) or sorted(tokens)[:8]
            raise RecipeError(f"{self.preset}: there are no tokens of {ours!r}; did you mean {' or '.join(near)}?")
        return ours

    def _refuse_forgotten(self, parts: Mapping[str, Fraction], tokens: Mapping[str, int]) -> None:
        for ours in self.unused:
            if parts[self._there(ours, tokens)]:
                raise RecipeError(f"{self.preset}: {ours!r} is said to be unused, and something is mapped to it")
        if forgotten := sorted(ours for ours in tokens if not parts[ours] and ours not in self.unused):
            raise RecipeError(
                f"{self.preset}: nothing is mapped to {', '.join(forgotten[:8])}. Map a domain of "
                f"{', '.join(published(self.preset).parts)} to it, or leave it out, as --map ={forgotten[0]}"
            )


def published(preset: str) -> Published:
    """The mixture of that name; RecipeError names the nearest one where there is none."""
    if preset not in PRESETS:
        near = get_close_matches(preset, PRESETS, 1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise RecipeError(f"no mixture {preset!r} was published that we know; {hint}There are: {', '.join(PRESETS)}")
    return PRESETS[preset]
