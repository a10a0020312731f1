"""Title, date, canonical address and language: what a page says, where it says it, and nothing it does not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.extraction.metadata import Told, told
from stages.extraction.walk import walked

NOTHING = Told(None, None, None, None)


def said(html):
    page = html.encode()
    return told(page, walked(page))


@pytest.mark.parametrize(
    "html",
    [
        '<meta property="article:published_time" content="2024-02-29T08:00:00Z">',
        "<META NAME='Date' CONTENT='2024-02-29'>",
        '<meta content="2024-02-29 10:00" itemprop="datePublished">',
        '<script type="application/ld+json">{"@type": "Article", "datePublished": "2024-02-29T08:00"}</script>',
        '<p>On <time datetime="2024-02-29">Thursday</time>',
        '<time datetime="2024-02-29">a</time><time datetime="2025-01-01">b</time>',
        '<meta name="date" content="2025-01-01"><meta property="article:published_time" content="2024-02-29">',
    ],
)
def test_a_day_of_publication(html):
    assert said(html) == NOTHING._replace(published="2024-02-29")


@pytest.mark.parametrize("day", ["2024-02-30", "29.2.2024", "20240229", "2024-02-291", "yesterday", "", "0000-01-01"])
def test_what_is_no_day_is_none(day):
    assert said(f'<meta name="date" content="{day}"><time datetime="{day}">').published is None


@pytest.mark.parametrize(
    ("html", "title"),
    [
        ("<title> A &lt;b&gt;\n tale </title>", "A <b> tale"),
        ('<title>A | Site</title><meta property="og:title" content="A &amp; B">', "A & B"),
        ("<svg><title>icon</title></svg><title>A</title>", "A"),
        ("<title></title>", None),
        ("<title>open", "open"),
    ],
)
def test_a_title(html, title):
    assert said(html).title == title


@pytest.mark.parametrize(
    ("html", "address"),
    [
        ('<link rel="canonical" href="https://a.example/?b=1&amp;c=2">', "https://a.example/?b=1&c=2"),
        ('<link href=http://a.example/x rel="alternate canonical">', "http://a.example/x"),
        (
            '<link rel=canonical href="/relative"><meta property="og:url" content="https://a.example/">',
            "https://a.example/",
        ),
        ('<link rel=canonical href="javascript:alert(1)">', None),
        ('<link rel="stylesheet" href="https://a.example/canonical.css">', None),
    ],
)
def test_a_canonical_address_is_absolute(html, address):
    assert said(html).canonical_url == address


@pytest.mark.parametrize(
    ("html", "language"),
    [
        ('<html lang="pt-BR">', "pt-br"),
        ("<html xml:lang='de_AT' class=no-js>", "de-at"),
        ('<meta http-equiv="content-language" content="fr, en">', "fr"),
        ('<html lang="{{ lang }}">', None),
        ('<p lang="it">', None),
    ],
)
def test_a_language_is_that_of_the_page(html, language):
    assert said(html).html_lang == language


def test_marks_are_read_in_bounded_number():
    head = '<meta name="x" content="y">' * 401
    assert said(head + '<meta name="date" content="2024-02-29">').published is None


@given(
    st.text(max_size=40),
    st.sampled_from(["<meta name=date content=", "<time datetime='", "<link rel=canonical href=", ""]),
)
def test_no_tag_raises(text, tag):
    assert isinstance(said(f"{tag}{text}<title>{text}"), Told)
