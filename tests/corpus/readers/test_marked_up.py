"""Markdown and LaTeX: code and prose apart, nothing of either lost, and no file that hangs the reader."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.readers.base import Fault
from corpus.readers.supervised import Supervised
from tests.corpus.source_rows import read

pytest.importorskip("markdown_it", reason="Markdown needs markdown-it-py (the extra `markup`)")
pytest.importorskip("pylatexenc", reason="LaTeX needs pylatexenc (the extra `markup`)")


MARKDOWN = """---
title: "From above"
---
# Title

Prose with `code` and [a link](b).

```python
x = 1

y = 2
```

- item

      indented

> ~~~ sh
> ls
> ~~~

End.
"""


def test_markdown_keeps_its_text_and_gives_code_and_prose_alone(tmp_path):
    (tmp_path / "a.md").write_text(MARKDOWN)
    fields = ("prose", "code", "languages", "title", "front_matter", "path")
    (row,), bad = read(tmp_path, format="markdown", fields=fields)
    assert bad == []
    assert row["text"] == MARKDOWN.partition("---\n")[2].partition("---\n")[2].strip("\n")
    assert row["prose"].split("\n\n") == ["# Title", "Prose with `code` and [a link](b).", "- item", "End."]
    assert row["code"].split("\n\n") == ["x = 1", "y = 2", "indented", "ls"]
    assert (row["languages"], row["title"], row["path"]) == ("python,sh", "Title", "a.md")
    assert row["front_matter"] == 'title: "From above"\n'


def test_without_being_asked_files_are_read_as_they_are(tmp_path):
    (tmp_path / "a.md").write_text(MARKDOWN)
    (tmp_path / "b.tex").write_text(LATEX)
    assert [row["text"] for row in read(tmp_path)[0]] == [MARKDOWN, LATEX]


lines = st.sampled_from(["```", "~~~", "    x", "a", "", "> b", "- c", "```py", "# h", "\t", "  ```", "1. ```", "---"])


@settings(max_examples=40)
@given(st.lists(lines, max_size=25))
def test_every_line_of_markdown_is_in_the_text_and_in_code_or_prose(markdown, parts):
    raw = "a\n" + "\n".join(parts)
    record = markdown.parse(raw.encode())
    assert record["text"] == raw.strip("\n")
    apart = record["prose"] + record["code"]
    for letter in "axbch":
        assert apart.count(letter) == raw.replace("```py", "").count(letter)


LATEX = r"""\documentclass{article}
\newcommand{\x}{y}
\title{On \emph{Things}}
\begin{document}
\maketitle
\section{First \& last}
Text with $a^2 < b$ and \textbf{bold} words.~See~\cite{knuth} % a comment
and 50\% more:
\begin{itemize}
\item one
\item two
\end{itemize}
\begin{equation}
E = mc^2
\end{equation}
\begin{lstlisting}[language=Python, caption={x}]
def f(x):
    return x % 2  # kept
\end{lstlisting}
\begin{verbatim}
\section{not one}
\end{verbatim}
% \begin{verbatim} not one either
Caf\'e na\"ive.
\begin{thebibliography}{9}\bibitem{knuth} Gone.\end{thebibliography}
\end{document}
After.
"""


def test_latex_becomes_what_a_reader_reads(tmp_path):
    (tmp_path / "a.tex").write_text(LATEX)
    (row,), bad = read(tmp_path, format="latex", fields=("prose", "code", "languages", "title"))
    assert bad == []
    assert row["text"].split("\n") == [
        "## First & last",
        "",
        "Text with $a^2 < b$ and bold words. See",
        "and 50% more:",
        "",
        "* one",
        "* two",
        "",
        r"\begin{equation}",
        "E = mc^2",
        r"\end{equation}",
        "",
        "```python",
        "def f(x):",
        "    return x % 2  # kept",
        "```",
        "",
        "```",
        r"\section{not one}",
        "```",
        "",
        "Café naïve.",
    ]
    assert row["code"] == "def f(x):\n    return x % 2  # kept\n\n\\section{not one}"
    assert "```" not in row["prose"]
    assert (row["languages"], row["title"]) == ("python", "On Things")


pieces = [
    "{",
    "}",
    "\\",
    "$",
    "%",
    "\n",
    "\\begin{verbatim}",
    "\\end{verbatim}",
    "\\item",
    "a",
    "&",
    "\\section{",
    "[",
    "]",
]


@settings(max_examples=40)
@given(st.lists(st.sampled_from(pieces), max_size=30))
def test_any_latex_is_a_text_or_a_cause(latex, parts):
    assert outcome(latex, ("a" + "".join(parts)).encode()) is not None


def outcome(child, raw):
    """The text of a file, or the cause why there is none."""
    try:
        return child.parse(raw)["text"]
    except Fault as fault:
        return fault.cause


HANGING = [("markdown", b"- a\n" * 500_000), ("latex", b"$" * 200_000), ("latex", b"{" * 100_000)]
LIMITS = ("takes more than 1 s of processor time", "nested too deeply")


@pytest.mark.parametrize(("form", "raw"), HANGING)
def test_a_file_that_hangs_the_parser_costs_its_limit(form, raw):
    with Supervised(form, 1, 1500) as child:
        assert outcome(child, raw).partition(":")[0] in LIMITS
        assert child.parse(b"a")["text"] == "a"


def test_latex_too_long_to_be_sure_of_its_time_is_refused(latex):
    assert outcome(latex, b"a" * 4_000_001) == "longer than 4,000,000 bytes of LaTeX"


def test_faults_are_named(tmp_path):
    for form, suffix in (("markdown", "md"), ("latex", "tex")):
        for name, raw in (("empty", b""), ("latin", b"caf\xe9"), ("nul", b"a\0b"), ("ok", b"x")):
            (tmp_path / f"{name}.{suffix}").write_bytes(raw)
        rows, bad = read(tmp_path / f"*.{suffix}", format=form)
        causes = {one.file.split(".")[0]: one.cause for one in bad}
        latin = {"latin": "invalid UTF-8"} if form == "markdown" else {}
        assert causes == {"empty": "empty file", "nul": "NUL in the text"} | latin
        assert [row["text"] for row in rows] == (["x"] if form == "markdown" else ["café", "x"])


@pytest.fixture(scope="module")
def markdown():
    with Supervised("markdown", 20, 1500) as child:
        yield child


@pytest.fixture(scope="module")
def latex():
    with Supervised("latex", 20, 1500) as child:
        yield child
