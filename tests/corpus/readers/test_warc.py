"""WARC and ARC records: what each becomes, what is kept of it, and what is said of the rest."""

import contextlib
import gzip
import zlib

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from corpus.errors import RecipeError
from corpus.readers import http, records
from corpus.readers.base import Fault
from corpus.source import Source
from corpus.units import units
from tests.corpus.archive_files import FILEDESC, PACKED, arc, page, warc
from tests.corpus.archive_files import http as response


def read(path, **settings):
    """Documents, bad records and skipped ones by kind."""
    source, rows, bad, skipped = Source(path=str(path), **settings), [], [], {}
    for unit in units([source], lambda found: "x"):
        for piece in records(unit, source):
            assert piece.rows.schema == source.schema(pages=True)
            rows += piece.rows.to_pylist()
            bad += piece.bad
            for kind, times in piece.skipped.items():
                skipped[kind] = skipped.get(kind, 0) + times
    return rows, bad, skipped


def one(tmp_path, raw, **settings):
    """What a file of a single record becomes: its row, its cause or its kind."""
    (tmp_path / "a.warc").write_bytes(raw)
    rows, bad, skipped = read(tmp_path / "a.warc", **settings)
    assert len(rows) + len(bad) + sum(skipped.values()) == 1
    return rows[0] if rows else bad[0].cause if bad else next(iter(skipped))


def test_a_response_of_html_becomes_a_page_with_its_bytes_and_the_charset_of_its_header(tmp_path):
    body = "<p>Grüße\0</p>".encode("latin-1")
    block = response(body, content_type='text/html; Charset="ISO-8859-1"')
    row = one(tmp_path, warc("response", block, 7, Content_Type="application/http; msgtype=response"), domain="web")
    assert row == {
        "id": "<urn:uuid:00000007>",
        "text": "",
        "domain": "web",
        "html": body,
        "charset": "ISO-8859-1",
    }


def test_fields_name_what_is_kept_and_nothing_else_is(tmp_path):
    named = {"WARC_IP_Address": "192.0.2.1", "WARC_Payload_Digest": "sha1:ABC", "WARC_Truncated": "length"}
    block = response(b"<p>", Server="nginx", Set_Cookie="a=b")
    fields = ("url", "date", "content_type", "status", "ip", "language", "payload_digest")
    more = ("warc:WARC-Truncated", "http:server", "http:absent")
    row = one(tmp_path, warc("response", block, 3, Content_Type="application/http", **named), fields=fields + more)
    assert [row[name] for name in fields + more] == [
        "http://example.com/3",
        "2024-05-18T01:58:10Z",
        "text/html; charset=utf-8",
        "200",
        "192.0.2.1",
        None,
        "sha1:ABC",
        "length",
        "nginx",
        None,
    ]


def test_a_conversion_is_its_text_with_the_language_it_was_given(tmp_path):
    raw = warc("conversion", "Grüße".encode(), Content_Type="text/plain", WARC_Identified_Content_Language="deu,eng")
    row = one(tmp_path, raw, fields=("language",))
    assert (row["text"], row["language"], row["html"], row["charset"]) == ("Grüße", "deu,eng", None, None)


@pytest.mark.parametrize(
    ("raw", "becomes"),
    [
        (warc("warcinfo", b"software: x"), "warcinfo"),
        (warc("request", b"GET / HTTP/1.1\r\n\r\n"), "request"),
        (warc("metadata", b"a: b"), "metadata"),
        (warc("revisit", response(b"")), "revisit"),
        (warc("continuation", b"more"), "continuation"),
        (warc("unheard-of", b""), "unknown type"),
        (warc("response", response(b"<p>"), WARC_Segment_Number="1"), "continuation"),
        (warc("response", response(b"<p>", "404 Not Found")), "status 404"),
        (warc("response", response(b"", "301")), "status 301"),
        (warc("response", response(b"\x89PNG", content_type="image/png")), "image/png"),
        (warc("response", response(b"?", content_type=None)), "no media type"),
        (warc("response", response(b"?", content_type="nonsense")), "no media type"),
        (warc("response", b"1 2 3", Content_Type="text/dns"), "text/dns"),
        (warc("resource", b"{}", Content_Type="application/json"), "application/json"),
        (warc("response", b"<p>no status line</p>"), "no HTTP response: it begins with no status line"),
        (warc("conversion", b"a\0b", Content_Type="text/plain"), "NUL in the text"),
        (warc("conversion", b"\xff\xfe\xff", Content_Type="text/plain"), "invalid UTF-8"),
        (warc("resource", b"<p>", Content_Type="text/html", length="many"), "its head names no length"),
        (warc("resource", b"<p>", Content_Type="text/html", length="-3"), "its head names no length"),
    ],
)
def test_what_is_no_document_is_skipped_by_kind_and_what_is_damaged_is_bad(tmp_path, raw, becomes):
    assert one(tmp_path, raw) == becomes


@pytest.mark.parametrize("version", ["0.17", "0.18", "1.0", "1.1"])
def test_every_version_and_every_kind_of_line_end_is_read(tmp_path, version):
    raw = warc("resource", b"<p>x</p>", 1, Content_Type="text/html", version=version)
    head, blank, rest = raw.partition(b"\r\n\r\n")
    for written in (
        raw,
        head.replace(b"\r\n", b"\n") + b"\n\n" + rest,
        head.replace(b"\r\n", b"\r\r\n") + b"\r\r\n\r\r\n" + rest,
    ):
        assert blank
        assert one(tmp_path, written)["html"] == b"<p>x</p>"


def test_a_status_line_may_lack_its_reason_or_its_minor_version(tmp_path):
    for status in (b"HTTP/1.1 200\r\n", b"HTTP/1.1 200 \r\n", b"HTTP/2 200\r\n", b"ICY 200 OK\n"):
        block = status + b"Content-Type: text/html\r\n\r\n<p>"
        assert one(tmp_path, warc("response", block))["html"] == b"<p>"


def test_headers_may_be_folded_repeated_and_of_any_case(tmp_path):
    block = (
        b"HTTP/1.1 200 OK\r\ncontent-TYPE:\r\n  text/html;\r\n\tcharset=koi8-r\r\nContent-Type: image/png\r\n\r\n<p>"
    )
    assert one(tmp_path, warc("response", block))["charset"] == "koi8-r"


def test_the_identified_type_counts_where_the_server_named_none(tmp_path):
    raw = warc("response", response(b"<p>", content_type=None), WARC_Identified_Payload_Type="text/html")
    assert one(tmp_path, raw)["html"] == b"<p>"


def test_plain_text_is_read_in_its_charset_under_the_names_of_the_web(tmp_path):
    for charset, raw in {"iso-8859-1": b"\x80 5", "UTF-8": "€ 5".encode(), "bogus": "€ 5".encode()}.items():
        block = response(raw, content_type=f"text/plain; charset={charset}")
        assert one(tmp_path, warc("response", block))["text"] == "€ 5"  # 0x80 is no euro in ISO 8859-1, but on the web


def test_arc_records_are_pages_too(tmp_path):
    raw = arc("filedesc://x.arc", FILEDESC, media="text/plain")
    raw += arc("dns:example.com", b"1 2 3\n", media="text/dns")
    raw += arc("http://example.com/a b", response(b"<p>1</p>"))
    raw += arc("http://example.com/2", response(b"", "404 Gone"))
    for suffix, pack in PACKED.items():
        (tmp_path / f"a.arc{suffix}").write_bytes(pack(raw))
        rows, bad, skipped = read(tmp_path / f"a.arc{suffix}", fields=("url", "date", "ip", "status"))
        assert bad == []
        assert skipped == {"warcinfo": 1, "text/dns": 1, "status 404": 1}
        assert [row["html"] for row in rows] == [b"<p>1</p>"]
        found = [rows[0][name] for name in ("url", "date", "ip", "status")]
        assert found == ["http://example.com/a b", "2004-05-06T07:08:09Z", "127.0.0.1", "200"]


def test_arc_version_2_names_its_length_last(tmp_path):
    block = response(b"<p>2</p>")
    line = f"http://a.com/ 10.0.0.1 20040506070809 text/html 200 2a1b - 12345678 x.arc.gz {len(block)}\n".encode()
    (tmp_path / "a.arc").write_bytes(line + block + b"\n" + line + block + b"\n")
    rows, bad, _ = read(tmp_path / "a.arc", fields=("ip",))
    assert [(row["html"], row["ip"]) for row in rows] == [(b"<p>2</p>", "10.0.0.1")] * 2
    assert bad == []


def test_an_id_is_the_records_own_else_its_place(tmp_path):
    anonymous = warc("resource", b"<p>", Content_Type="text/html", WARC_Record_ID=None)
    (tmp_path / "a.warc").write_bytes(anonymous * 2)
    assert [row["id"] for row in read(tmp_path / "a.warc")[0]] == ["a.warc#0", f"a.warc#{len(anonymous)}"]
    packed = gzip.compress(anonymous * 2)
    (tmp_path / "a.warc.gz").write_bytes(packed * 2)
    places = ["0", f"0+{len(anonymous)}", f"{len(packed)}", f"{len(packed)}+{len(anonymous)}"]
    assert [row["id"] for row in read(tmp_path / "a.warc.gz")[0]] == [f"a.warc.gz#{place}" for place in places]
    by_url = read(tmp_path / "a.warc", id_field="url", domain_field="warc:WARC-Type")[0]
    assert {(row["id"], row["domain"]) for row in by_url} == {("http://example.com/0", "resource")}


def test_a_record_without_the_field_that_was_asked_for_is_bad(tmp_path):
    raw = warc("resource", b"<p>", Content_Type="text/html")
    assert one(tmp_path, raw, domain_field="language") == "no field 'language' for the domain: the record has none"


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"fields": ("urls",)}, "no field 'urls'; nearest is 'url'"),
        ({"fields": ("warc:",)}, "no field 'warc:'"),
        ({"id_field": "WARC-Record-ID"}, "no field 'WARC-Record-ID'"),
        ({"text_field": "body"}, "no text_field 'body'"),
        ({"html_field": "html"}, "no html_field 'html'"),
    ],
)
def test_fields_that_no_record_can_have_are_refused(tmp_path, settings, says):
    (tmp_path / "a.warc.gz").write_bytes(gzip.compress(page(1)))
    with pytest.raises(RecipeError, match=says):
        units([Source(path=str(tmp_path), **settings)], lambda found: "x")


CODED = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": lambda raw: zstandard.ZstdCompressor().compress(raw),
}


def raw_deflate(raw):
    pack = zlib.compressobj(wbits=-15)
    return pack.compress(raw) + pack.flush()


def chunked(raw, sizes):
    parts, at = [], 0
    for size in sizes:
        part = raw[at : at + size]
        at += size
        parts.append(b"%x;a=b\r\n%s\r\n" % (len(part), part) if part else b"")
    rest = raw[at:]
    return b"".join(parts) + (b"%X\r\n%s\r\n" % (len(rest), rest) if rest else b"") + b"0\r\n\r\n"


@given(
    body=st.binary(max_size=3000),
    codings=st.lists(st.sampled_from(sorted(CODED)), max_size=3),
    sizes=st.none() | st.lists(st.integers(1, 500), max_size=6),
)
def test_chunks_and_codings_come_off_in_the_order_they_went_on(body, codings, sizes):
    body = b"!" + body  # what begins with < is taken as decoded already
    raw, named = body, ""
    for name in codings:
        raw = CODED[name](raw)
    named += f"Content-Encoding: {', '.join(codings)}\r\n" if codings else ""
    if sizes is not None:
        raw, named = chunked(raw, sizes), named + "Transfer-Encoding: chunked\r\n"
    assert http.body(http.Fields(named.encode()), raw, 1) == body


def test_deflate_without_its_header_is_read_as_browsers_do():
    fields = http.Fields(b"Content-Encoding: deflate")
    assert http.body(fields, raw_deflate(b"page " * 99), 1) == b"page " * 99


def test_a_body_that_is_decoded_already_is_taken_as_it_is():
    for header in (b"Content-Encoding: gzip", b"Content-Encoding: br", b"Transfer-Encoding: chunked"):
        assert http.body(http.Fields(header), b"\n<html>", 1) == b"\n<html>"


def test_chunks_that_end_early_leave_the_rest_as_it_is():
    assert http.dechunked(b"5\r\nhello\r\n<p>rest") == b"hello<p>rest"
    assert http.dechunked(b"5\r\nhello\r\n50\r\ncut off") == b"hellocut off"
    assert http.dechunked(b"fffffffffffffff\r\nall") == b"all"


@given(raw=st.binary(max_size=400), names=st.lists(st.sampled_from(["gzip", "deflate", "br", "zstd"]), max_size=6))
def test_any_bytes_are_a_body_or_a_fault(raw, names):
    fields = http.Fields(f"Content-Encoding: {','.join(names)}\r\nTransfer-Encoding: chunked".encode())
    with contextlib.suppress(Fault):
        assert len(http.body(fields, raw, 0.001)) <= 1000
