"""Text from a corpus made safe to look at: a terminal obeys escapes, and a bidi mark can turn a line around."""

NAME = 80
"""Characters of an id, a domain or a value that are shown: the longest real ids of ours have 74."""


def printable(text: str, keep: str = "") -> str:
    r"""The text with what is no printable character (controls, bidi marks, surrogates) as \x1b or \u202e.

    keep: characters that stay as they are, as "\n".
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in keep else _escaped(c) for c in text)


def _escaped(c: str) -> str:
    code = ord(c)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def plain(value: object, most: int = NAME) -> str:
    """The beginning of a text on one line, about `most` characters of it."""
    text = str(value)
    line = " ".join(text[: 4 * most].split())
    cut = len(line) > most or len(text) > 4 * most
    return printable(f"{line[:most]} ..." if cut else line)
