"""What one file or page says, by libraries that a hostile one can hang or crash: bytes in, named strings out.

Each file here has `parsed(raw: bytes) -> Record` and runs in a process of its own (served.py, asked by
corpus/readers/supervised.py), so nothing here imports Arrow or numpy: a child starts in 0.1 s and holds 20 MB.
"""

Record = dict[str, str | None]
"""Field -> what the file says, null where it does not say."""


class Unparsable(Exception):
    """The cause why a file gives no document, as it is counted: what follows a colon is detail."""


def fenced(code: str, language: str = "") -> str:
    """Code as a fenced block of Markdown; the fence is longer than any run of backticks at a line's beginning."""
    runs = (len(line) - len(line.lstrip("`")) for line in map(str.lstrip, code.splitlines()))
    fence = "`" * max(3, 1 + max(runs, default=0))
    return f"{fence}{language}\n{code}{'' if code.endswith(chr(10)) or not code else chr(10)}{fence}"


def joined(parts: list[str]) -> str:
    """Paragraphs with a blank line between them; empty ones are left out."""
    return "\n\n".join(stripped for part in parts if (stripped := part.strip("\n")).strip())
