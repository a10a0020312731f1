"""What the walk needs to know of HTML: kinds of elements, words of class names, character references.

Kinds follow the WHATWG HTML standard (rendering, section 15.3: `display: block`; section 13.1.2: void and raw text
elements; section 13.5: character references). The words of class and id are those that publishing systems and older
extractors agree on (readability, boilerplate research); what each is worth was fitted, not set: see weights.py.
"""

from html.entities import html5
from typing import NamedTuple

import numpy as np

# Kinds of elements. Inline elements are 0 and never on the stack; BLOCK and above are.
INLINE, BREAK, LINK, RAW, TITLE, CODE, MARK, SCRIPT, MATH, NOTE, IMAGE, RULE, SPAN = range(13)
BLOCK = 16  # a block that is none of those below: div and its kin
P, H1, H2, H3, H4, H5, H6, LI, LIST, NUMBERED, TD, TH, TR, TABLE, PRE, QUOTE, DT, DD, DL, CAPTION = range(17, 37)
ARTICLE, MAIN, SECTION, NAV, HEADER, FOOTER, ASIDE, FORM, FIGURE, DETAILS, ADDRESS, LABEL, SKIP, BODY = range(37, 51)
KINDS = 51

_NAMES = {
    BREAK: "br",
    LINK: "a",
    RAW: "style textarea iframe xmp noembed noframes noscript",
    TITLE: "title",
    SCRIPT: "script",
    CODE: "code kbd samp tt",
    MARK: "meta link html time",
    MATH: "math",
    NOTE: "annotation annotation-xml",
    IMAGE: "img",
    RULE: "hr",
    SPAN: "span",
    BLOCK: "div center fieldset hgroup dir menu legend tbody thead tfoot dialog search listing plaintext",
    P: "p", H1: "h1", H2: "h2", H3: "h3", H4: "h4", H5: "h5", H6: "h6", LI: "li", LIST: "ul", NUMBERED: "ol", TD: "td",
    TH: "th", TR: "tr", TABLE: "table", PRE: "pre", QUOTE: "blockquote", DT: "dt", DD: "dd", DL: "dl",
    CAPTION: "figcaption caption", ARTICLE: "article", MAIN: "main", SECTION: "section", NAV: "nav", HEADER: "header",
    FOOTER: "footer", ASIDE: "aside", FORM: "form", FIGURE: "figure", DETAILS: "details summary", ADDRESS: "address",
    LABEL: "label", BODY: "body",
    SKIP: "svg template select button canvas audio video object datalist progress meter",
}  # fmt: skip

WORDS = {
    "comments": "comment comments disqus respond commentlist replies reply kommentar kommentare",
    "sidebar": "sidebar side rail aside widget widgets sidebox col2",
    "related": "related recommended recommend recommendations similar more also teaser teasers trending popular "
    "outbrain taboola zergnet mostread latest readmore next prev previous recirc onward",
    "share": "share sharing social facebook twitter addthis sharedaddy whatsapp pinterest jp follow shariff addtoany "
    "sociable linkedin teilen",
    "navigation": "nav navigation navbar menu menus breadcrumb breadcrumbs pager pagination topbar toolbar submenu toc "
    "skip jump tabs tab navi",
    "header": "header masthead banner logo top hd",
    "footer": "footer foot bottom colophon copyright ft footnav",
    "advert": "ad ads advert advertisement advertising adsense sponsor sponsored promo promotion dfp gpt promoted "
    "anzeige werbung affiliate",
    "notice": "cookie cookies consent gdpr modal popup overlay newsletter subscribe subscription signup paywall login "
    "optin banner-cookie dialog donate cta",
    "meta": "meta byline author authors date time timestamp published postmetadata entrymeta postmeta info dateline "
    "credit credits posted credit source",
    "tags": "tag tags category categories topics topic keywords tagcloud cat label labels taxonomy",
    "caption": "caption captions gallery slideshow carousel slider image photo video media figcaption thumb thumbnail "
    "wp-caption player lightbox",
    "about": "bio biography about profile vcard authorbox abouttheauthor box infobox rating ratings vote",
    "search": "search searchform form contact sitemap",
    "body": "articlebody storybody postbody entrycontent postcontent articlecontent storycontent maincontent "
    "articletext bodytext entry storytext bodycopy newsbody detailtext article-body",
    "article": "article story post news artikel single hentry beitrag blogpost",
    "content": "content contents main text body copy richtext rte wysiwyg bd inhalt page mw",
    "title": "title headline heading titel subtitle header-title hed",
    "lead": "lead intro excerpt summary teasertext abstract deck standfirst subheadline dek lede description",
}
"""Bit by bit: a word of class or id that stands on an element or above it."""
BITS = tuple(WORDS)
HIDDEN = 1 << len(BITS)
SKIPPED = 1 << (len(BITS) + 1)
ELEMENT_BIT = {kind: 1 << (len(BITS) + 2 + place) for place, kind in enumerate(
    (ARTICLE, MAIN, NAV, HEADER, FOOTER, ASIDE, FORM, FIGURE, TABLE, LIST, QUOTE, SECTION, PRE, ADDRESS, DETAILS, LABEL)
)}  # fmt: skip
FLAGS = len(BITS) + 2 + len(ELEMENT_BIT)
TEX = 1 << FLAGS  # an image whose alternative text is TeX (WordPress, MediaWiki): no signal


class Words(NamedTuple):
    """A set of words by their 64-bit FNV-1a: open addressing over a power of two, 0 is an empty place."""

    keys: np.ndarray  # uint64 [P]
    values: np.ndarray  # int64 [P]


def fnv(word: bytes) -> int:
    """FNV-1a of the bytes, 64 bits."""
    key = 0xCBF29CE484222325
    for byte in word:
        key = ((key ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return key


def hashed(values: dict[bytes, int]) -> Words:
    """The words with their values, at most a quarter full."""
    size = 1 << (4 * len(values)).bit_length()
    keys, held = np.zeros(size, np.uint64), np.zeros(size, np.int64)
    for word, value in values.items():
        place = fnv(word) & (size - 1)
        while keys[place]:
            place = (place + 1) & (size - 1)
        keys[place], held[place] = fnv(word), value
    return Words(keys, held)


def _character(name: str) -> int:
    """A reference's characters as one number: the second, if any, above bit 32; bit 62 where `;` may be left out."""
    text = html5[name]
    packed = ord(text[0]) | (ord(text[1]) << 32 if len(text) > 1 else 0)
    return packed | (1 << 62 if name.rstrip(";") in html5 else 0)


def _bits() -> dict[bytes, int]:
    held: dict[bytes, int] = {}
    for place, words in enumerate(WORDS.values()):
        for word in words.split():
            held[word.encode()] = held.get(word.encode(), 0) | 1 << place
    return held | dict.fromkeys((b"latex", b"tex", b"mwe"), TEX)


TAGS = hashed({name.encode(): kind for kind, names in _NAMES.items() for name in names.split()})
CLASSES = hashed(_bits())
CHARACTERS = hashed(
    {name.rstrip(";").encode(): _character(name) for name in sorted(html5) if len(html5[name].encode()) <= len(name)}
)
