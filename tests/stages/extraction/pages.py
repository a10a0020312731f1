"""Pages for the tests of extraction: batches of them, hostile ones, and an article amid boilerplate."""

import pyarrow as pa

from corpus.documents import CORE, PAGE, Batch

SENTENCE = "The river rose in the night, and by morning the lower gardens stood under water, as they had in spring. "

ARTICLE = f"""<!doctype html><html lang="en-GB"><head><title>High water &amp; mud | The Gazette</title>
<meta property="og:title" content="High water &amp; mud"><link rel="canonical" href="https://gazette.example/high-water">
<meta property="article:published_time" content="2024-02-29T08:00:00Z"><style>p {{ color: red }}</style></head><body>
<nav class="menu"><ul><li><a href="/">Home</a></li><li><a href="/sport">Sport</a></li></ul></nav>
<article class="post"><h1>High water &amp; mud</h1>
<p>{SENTENCE * 3}</p><p>{SENTENCE * 4}</p><p>{SENTENCE * 2}</p></article>
<aside class="related"><h3>Related</h3>
<ul><li><a href="/a">Ten gardens to see</a></li><li><a href="/b">More</a></li></ul></aside>
<footer class="footer"><p>Copyright 2024 The Gazette. <a href="/terms">Terms</a></p></footer>
<script>var a = "<p>not text</p>";</script></body></html>""".encode()

N = 100_000
HOSTILE = {
    "deep": b"<div>" * N + b"x",
    "attributes": b"<p " + b" ".join(b"a%d=1" % n for n in range(N)) + b">hello",
    "unclosed": b"<b><i><a href=x>" * N,
    "comments": b"<!-- <!" * N,
    "tables": b"<table><tr><td>" * N,
    "items": b"<li><div>" * N,
    "ends": b"<div>" * 500 + b"<td></p></div" * N,
    "references": b"&amp&#x;&#99999999999;&zzzz" * N,
    "scripts": b"<script" * N,
    "raw": b"<textarea></textare" * N,
    "quotes": b"<p class='a" * N,
    "classes": b'<p class="' + b"comment-" * N + b'">x',
    "metas": b'<meta name="date" content="a" a' * N,
    "scripts with data": b'<script type="application/ld+json">"datePublished" :' + b" " * N + b'"x',
    "maths": b"<math><annotation>" * N,
}
"""What costs engines of others minutes; a megabyte or so each."""


def batch(pages, charsets=None):
    """Pages as a source hands them on; None is a row whose record was plain text, `words of row n`."""
    schema = pa.schema([*CORE, *PAGE])
    text = ["" if page is not None else f"words of row {n}" for n, page in enumerate(pages)]
    names = [f"d{n}" for n in range(len(pages))]
    columns = [names, text, names, pages, charsets or [None] * len(pages)]
    arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
    return Batch(pa.record_batch(arrays, schema=schema))


def rows(stage, pages, charsets=None):
    """What the stage lays for each page, as dictionaries, after the check of the contract."""
    given = batch(pages, charsets)
    return stage.checked(stage.annotate(given), len(given)).to_pylist()
