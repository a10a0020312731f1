"""Addresses: what browsers read is read, what hides a host does not hide it, and one page has one spelling."""

import time
from urllib.parse import urlsplit

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from corpus.urls import MOST_CHARACTERS, Url, bare, canonical, canonical_urls, domains, parse


@pytest.mark.parametrize(
    ("written", "host"),
    [
        ("http://example.com", "example.com"),
        ("HTTPS://EXAMPLE.Com./x", "example.com"),
        ("http://bank.com@evil.com/", "evil.com"),
        ("http://bank.com:80@evil.com:8080/a@b", "evil.com"),
        ("http://a@b@c.com/", "c.com"),
        ("http://exa\tmple.c\nom/", "example.com"),
        ("  http://example.com\x00 ", "example.com"),
        ("http:\\\\example.com\\path", "example.com"),
        ("http://evil.com\\@bank.com/", "evil.com"),
        ("http://%65xample.c%6Fm/", "example.com"),
        ("http://bücher.de/", "xn--bcher-kva.de"),
        ("http://BÜCHER。de/", "xn--bcher-kva.de"),
        ("http://b%C3%BCcher.de/", "xn--bcher-kva.de"),
        ("http://127.1/", "127.0.0.1"),
        ("http://0x7f.0.0.1/", "127.0.0.1"),
        ("http://017700000001/", "127.0.0.1"),
        ("http://2130706433/", "127.0.0.1"),
        ("http://[2001:DB8:0:0::1]:443/", "[2001:db8::1]"),
        ("http://a_b.example.com/", "a_b.example.com"),
    ],
)
def test_the_host_is_the_one_a_browser_goes_to(written, host):
    assert parse(written).host == host


@pytest.mark.parametrize(
    "written",
    [
        "",
        "example.com",
        "//example.com",
        "mailto:a@example.com",
        "javascript:alert(1)",
        "file:///etc/passwd",
        "http://",
        "http:///path",
        "http://a..b/",
        "http://.com/",
        "http://a b.com/",
        "http://a%00b.com/",
        "http://a%2Fb.com/",
        "http://999.1.1.1/",
        "http://1.2.3.4.5/",
        "http://1.2.x.0x1/",
        "http://[::1/",
        "http://[1::2::3]/",
        "http://[v1.x]/",
        "http://x.com:65536/",
        "http://x.com:٣/",
        "http://x.com:8o/",
        f"http://{'a' * 64}.com/",
        f"http://{'a.' * 127}com/",
        "http://☃.net/",
        "http://%FF.com/",
        f"http://x.com/{'a' * MOST_CHARACTERS}",
        "http://a\u200b.com:99999/",
    ],
)
def test_what_is_no_address_on_the_web_is_none(written):
    assert parse(written) is None
    assert canonical(written) is None


def test_parts_are_those_of_rfc_3986():
    """The example of RFC 3986, section 3, in a scheme of the web."""
    parts = parse("https://me:pw@example.com:8042/over/there?name=ferret#nose")
    assert parts == Url("https", "me:pw", "example.com", 8042, "/over/there", "name=ferret", "nose")
    assert parse("http://x.com?q")[4:] == ("", "q", None)
    assert parse("http://x.com:/")[3:] == (None, "/", None, None)
    assert parse("https://x.com:80/").port == 80


@pytest.mark.parametrize(
    ("written", "one"),
    [
        ("HTTP://Example.COM", "http://example.com/"),  # 6.2.2.1 and 6.2.3
        ("http://example.com:80/", "http://example.com/"),
        ("https://example.com:80/", "https://example.com:80/"),
        ("http://example.com/%7euser/%c3%a9", "http://example.com/~user/%C3%A9"),  # 6.2.2.2
        ("http://example.com/a%2fb", "http://example.com/a%2Fb"),  # an escaped slash is another path
        ("http://example.com/é x", "http://example.com/%C3%A9%20x"),
        ("http://example.com/100%", "http://example.com/100%25"),
        ("http://example.com/a/./b/../../c", "http://example.com/c"),  # 6.2.2.3
        ("http://example.com/%2E%2e/a/..", "http://example.com/"),
        ("http://example.com/../../x", "http://example.com/x"),
        ("http://example.com/dir//sub/", "http://example.com/dir/sub"),
        ("http://example.com/?b=2&a=1&&b=1#top", "http://example.com/?a=1&b=1&b=2"),
        ("http://example.com/?utm_source=x&UTM_Medium=y&gclid=1&fbclid=2&id=7", "http://example.com/?id=7"),
        ("http://example.com/?utm_source=x", "http://example.com/"),
        ("http://example.com/?u%74m_source=x&q", "http://example.com/?q"),
        ("http://example.com/?a=%26&b", "http://example.com/?a=%26&b"),
        ("http://me:pw@example.com/", "http://example.com/"),
    ],
)
def test_one_page_has_one_spelling(written, one):
    assert canonical(written) == one


PIECE = st.sampled_from(
    ["a", "Z", "/", "//", ".", "..", "%2e", "%41", "%", "%zz", "é", " ", "&", "=", "?", "#", ";", "\\", "@"]
)
ADDRESS = st.builds(
    "{}://{}{}/{}".format,
    st.sampled_from(["http", "HTTPS", "ftp"]),
    st.sampled_from(["example.com", "WWW.Example.com.", "u:p@bücher.de", "127.1", "[::1]"]),
    st.sampled_from(["", ":80", ":443", ":8080", ":"]),
    st.lists(PIECE, max_size=12).map("".join),
)


@given(ADDRESS)
@example("http://example.com/%2e/%2E%2e/..//a/.")
def test_the_one_spelling_is_its_own(written):
    one = canonical(written)
    assert one is not None
    assert canonical(one) == one
    assert one.isascii()
    assert "#" not in one
    assert urlsplit(one).username is None


@given(st.text(max_size=60) | ADDRESS.map(lambda a: a[:20]) | st.text(max_size=40).map("http://".__add__))
def test_any_text_is_an_address_or_none(written):
    one = canonical(written)
    assert (one is None) == (parse(written) is None)


def test_domains_are_the_endings_of_a_host():
    assert domains("a.b.example.com") == ["a.b.example.com", "b.example.com", "example.com", "com"]
    assert domains("127.0.0.1") == ["127.0.0.1"]
    assert domains("[::1]") == ["[::1]"]
    assert [bare(host) for host in ("www.a.com", "www.com", "wwww.a.com")] == ["a.com", "www.com", "wwww.a.com"]


def test_a_column_keeps_its_rows():
    column = pa.array(["http://A.com", None, "no address", "http://b.com/x/"])
    assert canonical_urls(column).to_pylist() == ["http://a.com/", None, None, "http://b.com/x"]
    assert canonical_urls(column.slice(3)).to_pylist() == ["http://b.com/x"]


@pytest.mark.parametrize(
    "body", ["a/../", "/.", "%41", "&utm_a", "@", ".", "ü.", "0x1.", "\t", "%2e%2e/", "?", "[", ":1", "xn--a."]
)
def test_hostile_addresses_take_no_time(body):
    start = time.process_time()
    for head in ("http://", "http://x.com/", "http://x.com/?"):
        canonical(head + body * (16_000 // len(body)))
    assert time.process_time() - start < 1
