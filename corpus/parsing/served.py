"""The child's side: what a parser of this folder makes of a file, as JSON: the record, or why there is none."""

from importlib import import_module

import orjson

from corpus.parsing import Unparsable

PARSERS = ("epub", "latex", "markdown", "pdf", "wikitext")


def warm(parser: str) -> None:
    """Import the parser."""
    if parser not in PARSERS:
        raise SystemExit(f"no parser {parser!r}; there are: {', '.join(PARSERS)}")
    import_module(f"corpus.parsing.{parser}")


def record(raw: bytes, parser: str) -> bytes:
    """JSON of {record: fields} or {cause: why not}. Any exception of a library is about this one file."""
    try:
        parsed = import_module(f"corpus.parsing.{parser}").parsed
        return orjson.dumps({"record": {name: _valid(value) for name, value in parsed(raw).items()}})
    except Unparsable as error:
        cause = str(error)
    except MemoryError:
        raise
    except RecursionError:
        cause = "nested too deeply"
    except Exception as error:
        if isinstance(error.__cause__ or error.__context__, MemoryError):  # C code that saw one and went on
            raise MemoryError from None
        cause = f"cannot be parsed: {error!r}"
    return orjson.dumps({"cause": _valid(cause[:300])})


def _valid(text: str | None) -> str | None:
    """The text without halves of surrogate pairs, which UTF-8 cannot hold."""
    return None if text is None else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
