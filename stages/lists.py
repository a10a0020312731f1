"""Lists that people keep as text: an entry a line, comments, plain or compressed."""

from collections.abc import Iterator

from corpus.errors import RecipeError, SourceError
from corpus.streams import Damage, blocks


def lines(url: str) -> Iterator[str]:
    """Lines of a list, plain or compressed, without white space around them; comments (#) and blank ones left out.

    Raises RecipeError where the file cannot be read to its end or is no UTF-8.
    """
    left = b""
    try:
        for _, block in blocks(url):
            *whole, left = (left + block).split(b"\n")
            yield from _said(whole)
        yield from _said([left])
    except (Damage, SourceError, UnicodeDecodeError) as error:
        raise RecipeError(f"list {url}: cannot be read ({error}). Fetch it again.") from error


def _said(raw: list[bytes]) -> Iterator[str]:
    for line in raw:
        text = line.decode().strip()
        if text and not text.startswith("#"):
            yield text
