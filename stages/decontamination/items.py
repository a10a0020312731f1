"""Benchmarks as people keep them: JSON lines, an item a line, its parts under names that the recipe maps.

A benchmark is a file and is called as the file is, without its suffixes. What is matched is an item's question and
its answer; a passage is public text most of the time (Wikipedia), so only decon's rule looks at it, and not alone.
"""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import orjson

from corpus.errors import RecipeError, SourceError
from corpus.readers.paths import ABSENT, lacking, within
from corpus.streams import Damage, blocks

MOST_ITEM = 1 << 20
"""Bytes of a line. The longest of 30,918 items in 17 benchmarks has 5 kB; a book is no item."""


class Fields(NamedTuple):
    """Where the parts of an item are: names of fields, dots for fields inside fields."""

    id: str = "id"  # the number of the line where there is none
    question: str = "text"
    answer: str = "answer"
    choices: str = "choices"  # where the answer is a number or a capital letter, it names one of these
    passage: str = "passage"


USUAL = Fields()


class Item(NamedTuple):
    """An item of a benchmark; parts that it has not are empty."""

    benchmark: str
    id: str
    question: str
    answer: str
    passage: str


def items(urls: Iterable[str], fields: Fields = USUAL) -> list[Item]:
    """The items of all benchmarks, in the order of files and lines.

    Raises RecipeError where a file cannot be read, holds no item or none with a question, where a line is no JSON
    object, is longer than MOST_ITEM or has no field `fields.question`, and where a field that was named is nowhere.
    """
    found: list[Item] = []
    seen: set[str] = set()
    for url in urls:
        own = [_item(record, fields, url, number, seen) for number, record in _records(url)]
        if not own:
            raise RecipeError(
                f"{url}: no item in it; a benchmark is a JSON object a line. Fetch it again, or leave it out."
            )
        if not any(one.question.strip() for one in own):
            raise RecipeError(
                f"{url}: field {fields.question!r} is empty in all {len(own):,} items. Answers alone would match "
                f"everything; map the question (`question: ...`) or leave the file out of `against`."
            )
        found += own
    for asked, usual in zip(fields, USUAL, strict=True):
        if found and asked != usual and asked not in seen:
            raise RecipeError(f"no item of {len(found):,} has the field {asked!r} that the mapping names")
    return found


def _item(record: dict[str, Any], fields: Fields, url: str, number: int, seen: set[str]) -> Item:
    held = {name: within(record, path) for name, path in fields._asdict().items()}
    seen.update(path for path in fields if within(record, path) is not ABSENT)
    if held["question"] is ABSENT:
        raise RecipeError(
            f"{url}, line {number:,}: no field {fields.question!r} ({lacking(record, fields.question)}). "
            f"Map the one with the question: `decontaminate: {{question: ...}}`."
        )
    parts = {name: _text(held[name], name, url, number) for name in ("question", "passage")}
    answer = _text(_chosen(held["answer"], held["choices"]), "answer", url, number)
    return Item(name_of(url), _id(held["id"], number), parts["question"], answer, parts["passage"])


def _id(held: Any, number: int) -> str:
    return str(number) if held is ABSENT or held is None else str(held)


def _chosen(answer: Any, choices: Any) -> Any:
    """The choice that the answer names; else the answer, and the first of several."""
    if isinstance(choices, list) and choices:
        letter = isinstance(answer, str) and len(answer) == 1 and "A" <= answer <= "Z"
        place = ord(answer) - ord("A") if letter else answer
        if type(place) is int and 0 <= place < len(choices):
            return choices[place]
    if isinstance(answer, list):
        return answer[0] if answer else ""
    return answer


def _text(held: Any, part: str, url: str, number: int) -> str:
    if held is ABSENT or held is None:
        return ""
    if isinstance(held, str | int | float):
        return str(held)
    raise RecipeError(
        f"{url}, line {number:,}: the {part} is {type(held).__name__}, not text. Name a field inside it with a dot, as "
        f"`{part}: outer.inner`."
    )


def name_of(url: str) -> str:
    """What the benchmark of a file is called: `evals/gsm8k_test.jsonl.gz` is gsm8k_test."""
    return url.rsplit("/", 1)[-1].split(".jsonl", 1)[0].split(".ndjson", 1)[0]


def _records(url: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Number, from 1, and object of every line that is not blank."""
    for number, line in enumerate(_lines(url), 1):
        if not line.strip():
            continue
        try:
            record = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise RecipeError(
                f"{url}, line {number:,}: no JSON ({error}). A benchmark is a JSON object a line."
            ) from error
        if not isinstance(record, dict):
            raise RecipeError(f"{url}, line {number:,}: a {type(record).__name__}; a benchmark is a JSON object a line")
        yield number, record


def _lines(url: str) -> Iterator[bytes]:
    left, number = b"", 1
    try:
        for _, block in blocks(url):
            *whole, left = (left + block).split(b"\n")
            for line in whole:
                yield _bounded(line, url, number)
                number += 1
            _bounded(left, url, number)
        yield left
    except (Damage, SourceError) as error:
        raise RecipeError(f"benchmark {url}: cannot be read ({error}). Fetch it again.") from error


def _bounded(line: bytes, url: str, number: int) -> bytes:
    if len(line) > MOST_ITEM:
        raise RecipeError(
            f"{url}, line {number:,}: more than {MOST_ITEM / 1e6:.1f} MB, which is no item of a benchmark. "
            f"Is the file an array, or a corpus?"
        )
    return line
