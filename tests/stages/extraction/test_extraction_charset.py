"""Charsets: every label and byte gives UTF-8, in the order the module says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pages import rows

from stages.extract import Extract
from stages.extraction.charset import utf8

WORDS = {
    "windows-1252": "déjà vu – naïve “café”",
    "iso-8859-2": "Zażółć gęślą jaźń",
    "windows-1251": "Съешь ещё этих мягких булок",
    "koi8-r": "Съешь ещё этих мягких булок",
    "shift_jis": "日本語のページです",
    "euc-jp": "日本語のページです",
    "iso-2022-jp": "日本語のページです",
    "gbk": "这是中文网页",
    "big5": "這是中文網頁",
    "euc-kr": "한국어 페이지입니다",
    "utf-16-le": "plain and ünï",
}


@pytest.mark.parametrize("name", WORDS)
def test_a_declared_charset_is_read(name):
    said = WORDS[name]
    assert utf8(f"<p>{said}".encode(name), name).decode() == f"<p>{said}"
    if name != "utf-16-le":
        page = f'<html><head><meta charset="{name}"></head><p>{said}'
        assert utf8(page.encode(name)).decode() == page
        http = f'<meta http-equiv="Content-Type" content="text/html; charset={name}"><p>{said}'
        assert utf8(http.encode(name)).decode() == http


@pytest.mark.parametrize("name", ["windows-1251", "shift_jis", "gbk"])
def test_a_charset_that_nobody_declares_is_detected(name):
    page = "<p>" + (WORDS[name] + " ") * 20
    assert utf8(page.encode(name)).decode() == page


def test_valid_utf8_is_utf8_whatever_the_server_says_and_a_mark_beats_both():
    assert utf8("<p>naïve".encode(), "iso-8859-1").decode() == "<p>naïve"
    assert utf8(b"\xef\xbb\xbf<p>na\xc3\xafve", "windows-1251").decode() == "<p>naïve"
    assert utf8("\ufeff<p>naïve".encode("utf-16-be"), "utf-8").decode() == "<p>naïve"
    assert utf8("<p>naïve".encode("utf-16-le")).decode() == "<p>naïve"


def test_latin_1_means_windows_1252_as_the_standard_says():
    assert utf8(b"<p>\x93quoted\x94", "ISO-8859-1").decode() == "<p>“quoted”"


def test_a_page_of_utf8_with_one_broken_byte_stays_utf8():
    page = ("<p>" + "ä" * 50).encode() + b"\xff" + "ö".encode()
    assert utf8(page, "utf-8").decode() == "<p>" + "ä" * 50 + "\ufffd" + "ö"


@pytest.mark.parametrize(
    "label", ["zlib", "rot13", "idna", "punycode", "unicode_escape", "undefined", "x" * 999, "\0", "ü"]
)
def test_codecs_that_are_no_charsets_cannot_be_named(label):
    page = b"<p>" + b"caf\xe9 au lait, d\xe9j\xe0 vu " * 9
    assert utf8(page, label) == utf8(page)


@given(st.binary(max_size=200), st.none() | st.text(max_size=12) | st.sampled_from(list(WORDS)))
def test_no_bytes_and_no_label_raise(page, label):
    found = utf8(page, label)
    found.decode("utf-8")
    assert b"\0" not in found


def test_the_declared_charset_reaches_the_text():
    row = rows(Extract(engine="plain"), ["<p>Съешь ещё".encode("koi8-r")], ["KOI8-R"])[0]
    assert row["text"] == "Съешь ещё"
