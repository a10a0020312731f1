"""Corpora for the laws: real-looking text with planted exact and near duplicates, oddities and bad prose."""

import random
from pathlib import Path

import pyarrow as pa
from hypothesis import strategies as st

from corpus.documents import CORE
from stages.table import TABLE

WORDS = """
the of and to in that is was he for it with as his on be at by had not are but from or have an they which one you were
her all she there would their we him been has when who will more no if out so said what up its about into river stone
garden window paper machine science village morning water letter music winter story market
""".split()  # noqa: SIM905 (a list of 80 strings reads worse)
ODD = ["", " ", "\n\n", "\x00", "日本語のテキスト。", "👩‍👩‍👧 emoji", "a" * 500, "- item\n- item\n", "# # # #", "..."]
ODD += ["naïve café", "é"]


SETTINGS = {
    "bad_words": {"lists": str(Path(__file__).parent / "words")},
    "quality": {"model": str(Path(__file__).parent / "quality.bin"), "label": "hq", "least": 0.5},
    "quota": {"column": "url"},  # text that is no number is no score, so the laws need no column of their own
    "buckets": {"columns": ("url",)},
    "decontaminate": {"against": str(Path(__file__).parent / "evals.jsonl")},
    "datatrove": {"block": "filters.C4QualityFilter", "options": {"min_num_sentences": -1}},
}
"""What a stage needs to be made where its defaults are not enough."""


def made(name: str):
    """The stage of that name with its defaults."""
    return TABLE[name](**SETTINGS.get(name, {}))


def prose(seed: int, words: int) -> str:
    """Text that Gopher keeps where it is long enough: sentences of common words, in paragraphs."""
    draw = random.Random(seed)
    chosen = [draw.choice(WORDS) for _ in range(words)]
    for place in range(7, words, 9):
        chosen[place] += "." if place % 45 else ".\n\n"
    return " ".join(chosen)


def edited(text: str, seed: int, share: float) -> str:
    """The text with a share of its words replaced."""
    draw = random.Random(seed)
    return " ".join("changed" if draw.random() < share else word for word in text.split(" "))


def documents(texts: list[str]) -> pa.RecordBatch:
    """The texts as a batch's rows, with ids by position, two domains, and an address for four of five."""
    ids = [f"doc-{n:04d}" for n in range(len(texts))]
    domains = ["even" if n % 2 == 0 else "odd" for n in range(len(texts))]
    urls = [None if n % 5 == 0 else f"http://{'xxx' if n % 3 == 0 else 'a'}.com/{n % 7}" for n in range(len(texts))]
    schema = CORE.append(pa.field("url", pa.string()))
    return pa.record_batch([ids, pa.array(texts, pa.large_string()), domains, urls], schema=schema)


def planted(count: int, seed: int = 1) -> list[str]:
    """`count` texts: four in ten prose, then exact copies, near copies, short texts and oddities."""
    draw = random.Random(seed)
    texts: list[str] = []
    for n in range(count):
        kind, earlier = n % 10, texts[draw.randrange(len(texts))] if texts else ""
        if kind in (3, 7):
            texts.append(earlier)
        elif kind in (4, 8):
            texts.append(edited(earlier, n, 0.01))
        elif kind == 9:
            texts.append(draw.choice(ODD))
        else:
            texts.append(prose(seed * 1_000 + n, draw.choice([20, 80, 200, 400])))
    return texts


corpora = st.builds(planted, st.integers(0, 30), st.integers(0, 1_000)) | st.lists(
    st.sampled_from(ODD) | st.text(max_size=80) | st.builds(prose, st.integers(0, 9), st.integers(0, 90)), max_size=8
)
