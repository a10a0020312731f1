"""The walk: blocks as a reader sees them, and agreement with a real HTML5 parser on real pages."""

import json
import re

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.extraction import tags as t
from stages.extraction.signals import SIGNALS, signals
from stages.extraction.trees import Trees, _logits, trees
from stages.extraction.walk import DEPTH, END, FLAG_BITS, KIND, LINKED, LINKS, PARENT, START, walked


def blocks(html):
    page = walked(html.encode())
    return [page.text[block[START] : block[END]].tobytes().decode() for block in page.blocks]


@pytest.mark.parametrize(
    ("html", "found"),
    [
        ("<p>a<p>b", ["a", "b"]),
        ("a<br>b<br><br>c", ["a\nb", "c"]),
        ("<ul><li>1<li>2<ul><li>3</ul><li>4</ul>", ["1", "2", "3", "4"]),
        ("<b>a</b><i>b</i> <u>c", ["ab c"]),
        ("a<!-- <p>b --> c<!doctype x><?php x ?> d", ["a c d"]),
        ("a<script>if (a < b) '</p>'</script>b<style>p{}</style>", ["ab"]),
        ("<textarea><p>x</textarea>a<noscript>b</noscript><select><option>c</select>d", ["ad"]),
        (
            "a &lt; b &amp;amp; c&copy d &unknown; &#x41;&#128; &#0; &notit;",
            ["a < b &amp; c© d &unknown; A€ � &notit;"],
        ),
        ("a&nbsp; &nbsp;b\u00a0 \t\n c", ["a b c"]),
        ("1 < 2 <3 </ >x", ["1 < 2 <3 x"]),
        ("<P CLASS=x>A</P><DIV>B</dIv>", ["A", "B"]),
        ('<p title="a > b">c', ["c"]),
        ("<table><tr><td>a<td>b<tr><td>c</table>", ["a", "b", "c"]),
        ("<div>a</span></b>b</p>c</div>d", ["ab", "c", "d"]),
        ("<button>no</button>a<svg><text>no</text></svg>", ["a"]),
        ("a<span hidden>b<span>c</span></span>d", ["ad"]),
        ("<pre>\n  a\n\n  b </pre>", ["  a\n\n  b"]),
        ("<p>a</p", ["a"]),
        ("<title>t</title><p>a<!-- open", ["a"]),
    ],
)
def test_blocks_of_a_page(html, found):
    assert blocks(html) == found


def test_elements_and_words_above_a_block_are_its_flags():
    page = walked(
        b'<main id=mainContent><div class="post-comments X"><ul><li hidden>a <a href=x>link</a></ul></div></main><p>b'
    )
    flags = [{name for k, name in enumerate(t.BITS) if block[FLAG_BITS] >> k & 1} for block in page.blocks]
    assert flags == [{"comments", "article", "content", "body"}, set()]
    assert page.blocks[0][FLAG_BITS] & t.HIDDEN
    assert page.blocks[0][FLAG_BITS] & t.ELEMENT_BIT[t.MAIN]
    assert page.blocks[0][[LINKED, LINKS, KIND, DEPTH]].tolist() == [4, 1, t.LI, 4]
    assert page.parents[page.blocks[0][PARENT]] == page.blocks[0][PARENT] - 1


@given(st.binary(max_size=300))
def test_any_bytes_give_blocks_in_order_inside_the_text(page):
    found = walked(page)
    assert found.blocks[:, START].tolist() == [0, *found.blocks[:, END].tolist()][: len(found.blocks)]
    assert (found.blocks[:, END] > found.blocks[:, START]).all()
    assert (found.parents[1:] < np.arange(1, len(found.parents))).all()
    assert len(signals(found.text, found.blocks, found.parents)) == len(found.blocks)


@given(
    st.lists(
        st.sampled_from(
            ["<div>", "</div>", "<p>", "</p>", "<td>", "<table>", "x ", "<a href=1>", "</a>", "&amp;", "<br>"]
        )
    )
)
def test_no_letter_is_lost_and_none_is_made(parts):
    html = "".join(parts)
    assert re.sub(r"\s", "", "".join(blocks(html))) == re.sub(r"<[^>]*>|\s", "", html).replace("&amp;", "&")


def test_trees_add_up_their_leaves():
    two = Trees(np.array([[1, -1, -1], [0, -1, -1]]), np.array([[0.5, 2.0, 3.0], [0.5, 10.0, 20.0]]))
    assert _logits(np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.5, 0.5]]), *two).tolist() == [12, 22, 13, 12]


def test_the_trees_at_hand_know_the_signals():
    assert trees().signal.max() < SIGNALS
    assert len(trees().signal) == 120


def test_text_of_real_pages_is_what_an_html5_parser_finds(data):
    """The body by resiliparse's DOM, as sets of eight characters without white space."""
    from resiliparse.parse.html import HTMLTree

    lines = pa.input_stream(data / "html_gold/scrapinghub.jsonl.zst", compression="zstd").read().decode().split("\n")
    shares = []
    for line in lines[:40]:
        html = json.loads(line)["html"]
        tree = HTMLTree.parse(html)
        for gone in list(tree.body.query_selector_all(UNSEEN)):
            gone.decompose()
        theirs, ours = eights(tree.body.text), eights("".join(blocks(html)))
        shares.append(len(theirs & ours) / max(1, len(theirs | ours)))
    assert np.median(shares) > 0.99
    assert min(shares) > 0.9


UNSEEN = "title, script, style, noscript, textarea, iframe, svg, template, button, select, canvas, audio, video, object"


def eights(text):
    text = re.sub(r"\s", "", text)
    return {text[k : k + 8] for k in range(len(text) - 7)}
