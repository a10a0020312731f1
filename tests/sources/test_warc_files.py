"""Real archives of many writers, the broken ones too: every record is a document, skipped or bad, as its list says."""

import csv
from collections import Counter

import pytest

from corpus.readers import records
from corpus.source import Source
from corpus.units import units


def read(path, unit_bytes=64_000_000, **settings):
    """Documents, bad records, skipped ones by kind."""
    form = "wat" if ".wat" in path.name else "warc"
    source, rows, bad, skipped = Source(path=str(path), format=form, **settings), [], [], Counter()
    for unit in units([source], lambda found: "x", unit_bytes):
        for piece in records(unit, source):
            rows += piece.rows.to_pylist()
            bad += piece.bad
            skipped += Counter(piece.skipped)
    return rows, bad, skipped


@pytest.fixture(scope="module")
def listed(data):
    with (data / "warc" / "MANIFEST.csv").open() as file:
        return {row["file"]: row for row in csv.DictReader(file) if row["records"]}  # copies are listed without


def test_every_record_of_every_file_is_accounted_for(data, listed):
    wrong = []
    for row in listed.values():
        rows, bad, skipped = read(data / "warc" / row["file"])
        found, there = len(rows) + len(bad) + skipped.total(), int(row["records"])
        if found != there and not (row["reader_error"] and found > there):
            wrong.append((row["file"], there, found))
        if not row["reader_error"] and row["file"] not in BAD:
            wrong += [(row["file"], one) for one in bad]
    assert wrong == []
    assert len(listed) == 79


BAD = {
    "warcio/bad.arc": 4,  # lengths of -1 and "abc", and one byte where a response should be
    "warcio/example-space-in-url.arc": 1,  # twelve bytes short
    "warcio/example-trunc.warc": 1,
    "pywb/example-extra.warc": 1,  # HTTPX/1.1
    "pywb/example.warc": 1,
    "chatnoir-resiliparse/clipped.warc.gz": 1,
    "warc/alexa_short_header.arc.gz": 1,  # answered by an SSH server
}
"""Files that a reader gets through, and how many of their records are quarantined."""


def test_bad_records_are_those_that_a_person_found_bad(data):
    found = {name: [one.cause for one in read(data / "warc" / name)[1]] for name in BAD}
    assert {name: len(causes) for name, causes in found.items()} == BAD
    assert found["chatnoir-resiliparse/clipped.warc.gz"] == [
        "truncated record: 75,207 bytes of 88,275 (damaged gzip member: the file ends inside it)"
    ]


@pytest.mark.parametrize(
    ("packed", "plain"),
    [
        ("chatnoir-resiliparse/warcfile.warc.gz", "chatnoir-resiliparse/warcfile.warc"),
        ("chatnoir-resiliparse/warcfile.warc.lz4", "chatnoir-resiliparse/warcfile.warc"),
        ("webarchive-commons/IAH-urls-wget.warc.gz", "webarchive-commons/IAH-urls-wget.warc"),
        ("webarchive-discovery/transfer_compression_gzip.warc", "webarchive-discovery/transfer_compression_none.warc"),
        (
            "webarchive-discovery/transfer_compression_brotli.warc",
            "webarchive-discovery/transfer_compression_none.warc",
        ),
        ("whirlwind-python/whirlwind.warc.wet.gz", "whirlwind-python/whirlwind.warc.wet"),
    ],
)
def test_the_same_pages_come_of_every_packing_and_coding(data, packed, plain):
    first, second = (read(data / "warc" / name, fields=("url",)) for name in (packed, plain))
    pages = [
        [(row["html"], row["text"]) for row in rows if row["url"] and row["url"].startswith("http")]
        for rows in (first[0], second[0])
    ]
    assert pages[0] == pages[1]
    assert pages[0]


@pytest.mark.parametrize(
    "name", ["aut/example.warc.gz", "aut/example.arc.gz", "pywb/iana.warc.gz", "chatnoir-resiliparse/warcfile.warc"]
)
def test_a_real_crawl_gives_the_same_however_it_is_cut(data, name):
    rows, bad, skipped = read(data / "warc" / name, fields=("url", "date", "status"))
    assert len(rows) >= 16
    assert all(row["url"].startswith("http") and row["date"] and row["status"][0] == "2" for row in rows)
    assert bad == []
    for unit_bytes in (50_000, 333_333):
        assert read(data / "warc" / name, unit_bytes, fields=("url", "date", "status")) == (rows, bad, skipped)


def test_one_page_of_common_crawl_reads_as_page_text_and_metadata(data):
    folder = data / "warc" / "whirlwind-python"
    ((page,), _, _), ((text,), _, _) = (
        read(folder / name, fields=("url", "language")) for name in ("whirlwind.warc.gz", "whirlwind.warc.wet.gz")
    )
    assert (page["url"], page["charset"]) == ("https://an.wikipedia.org/wiki/Escopete", "UTF-8")
    assert page["html"].startswith(b"<!DOCTYPE html>")
    assert text["url"] == page["url"]
    assert text["text"].startswith("Escopete")
    assert text["html"] is None
    assert read(folder / "whirlwind.warc.wat.gz")[2] == {"warcinfo": 1, "request": 1}
