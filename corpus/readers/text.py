"""Text and code files: every file is one document, and its name is its id.

A unit is a bunch of files, read one after the other: 20,000 man pages (gzip) take 2 s of CPU. A file that cannot
be a document (not UTF-8, binary, empty, too long, damaged) is quarantined, whole.
"""

from collections.abc import Iterator

from corpus.documents import TEXT
from corpus.readers.files import decoded, documents, refuse_fields
from corpus.source import Read, Source, Unit

SUFFIXES = (
    *(".txt", ".text", ".md", ".markdown", ".rst", ".tex", ".org", ".adoc"),
    *(".py", ".pyi", ".c", ".h", ".cc", ".cpp", ".cxx", ".hpp", ".rs", ".go", ".java", ".kt", ".scala"),
    *(".js", ".mjs", ".jsx", ".ts", ".tsx", ".css", ".cs", ".php", ".rb", ".pl", ".pm", ".lua", ".r", ".jl"),
    *(".sh", ".bash", ".ps1", ".sql", ".toml", ".yaml", ".yml", ".ini", ".cfg", ".cmake", ".proto", ".vim"),
    *(".hs", ".ml", ".mli", ".ex", ".exs", ".erl", ".clj", ".lisp", ".el", ".f90", ".asm", ".zig", ".swift"),
)


def refuse(source: Source) -> None:
    """RecipeError where a source of text files asks for fields of records."""
    refuse_fields(source, "text files")


def records(unit: Unit, source: Source) -> Iterator[Read]:
    """One document per file, in order, in pieces of about 8 MB; SourceError where a file cannot be opened."""
    return documents(unit, source, lambda raw: {TEXT: decoded(raw)})
