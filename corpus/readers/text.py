"""Text and code files: every file is one document, and its name is its id.

A unit is a bunch of files, read one after the other: 20,000 man pages (gzip) take 2 s of CPU. A file that cannot
be a document (not UTF-8, binary, empty, too long, damaged) is quarantined, whole.
"""

from collections.abc import Iterator

from corpus.errors import RecipeError
from corpus.readers.base import NOT_UTF8, NUL, Fault, Piece, longer_than
from corpus.source import Extent, Read, Source, Unit
from corpus.streams import Damage, blocks

SUFFIXES = (
    *(".txt", ".text", ".md", ".markdown", ".rst", ".tex", ".org", ".adoc"),
    *(".py", ".pyi", ".c", ".h", ".cc", ".cpp", ".cxx", ".hpp", ".rs", ".go", ".java", ".kt", ".scala"),
    *(".js", ".mjs", ".jsx", ".ts", ".tsx", ".css", ".cs", ".php", ".rb", ".pl", ".pm", ".lua", ".r", ".jl"),
    *(".sh", ".bash", ".ps1", ".sql", ".toml", ".yaml", ".yml", ".ini", ".cfg", ".cmake", ".proto", ".vim"),
    *(".hs", ".ml", ".mli", ".ex", ".exs", ".erl", ".clj", ".lisp", ".el", ".f90", ".asm", ".zig", ".swift"),
)

_BOM = b"\xef\xbb\xbf"
PATH = "path"


def refuse(source: Source) -> None:
    """RecipeError where a source of text files asks for fields of records."""
    fields = [name for name in source.fields if name != PATH]
    asked = {"id_field": source.id_field, "domain_field": source.domain_field, "fields": ", ".join(fields)}
    asked["html_field"] = source.html_field
    asked["text_field"] = source.text_field if source.text_field != "text" else None
    for setting, value in asked.items():
        if value:
            raise RecipeError(
                f"source {source.path!r}: text files have no fields, but {setting} names {value!r}. "
                f"Leave it out; `fields: [path]` keeps the path below the source's folder."
            )


def records(unit: Unit, source: Source) -> Iterator[Read]:
    """One document per file, in order, in pieces of about 8 MB; SourceError where a file cannot be opened."""
    piece = Piece(source)
    for extent in unit.extents:
        raw = bytearray()
        try:
            text = _text(extent, raw, source.max_record_mb)
            row = (extent.name, text, source.domain or "default", *[extent.name for _ in source.fields])
            piece.add(row, len(raw))
        except Damage as damage:
            cause = f"damaged stream: the whole file is left out ({damage.cause})"
            piece.add_bad(extent.name, damage.offset, cause, raw)
        except Fault as fault:
            piece.add_bad(extent.name, 0, fault.cause, raw)
        if piece.full:
            yield piece.take()
    if piece:
        yield piece.take()


def _text(extent: Extent, raw: bytearray, limit_mb: float) -> str:
    """The file's text, read into `raw`, which holds what there was where this raises."""
    for _, block in blocks(extent.url):
        raw += block
        if len(raw) > limit_mb * 1e6:
            raise Fault(longer_than(limit_mb))
    if not raw:
        raise Fault("empty file")
    if 0 in raw:
        raise Fault(NUL)
    try:
        return raw.removeprefix(_BOM).decode()
    except UnicodeDecodeError:
        raise Fault(NOT_UTF8) from None
