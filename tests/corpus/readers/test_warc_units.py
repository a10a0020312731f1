"""However an archive is cut and whatever is damaged in it, every good record is read, once."""

import gzip
import random
import zlib

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.errors import SourceError
from corpus.readers import records
from corpus.readers.archive_units import Archive
from corpus.readers.whole_members import WholeMembers
from corpus.source import Extent, Source
from corpus.units import units
from tests.corpus.archive_files import FILEDESC, PACKED, arc, http, page, warc


def read(path, unit_bytes=64_000_000, **settings):
    """(id, page) of all documents, (offset, cause) of bad records, number of skipped ones, number of units."""
    source, rows, bad, skipped = Source(path=str(path), **settings), [], [], 0
    cut = units([source], lambda found: "x", unit_bytes)
    for unit in cut:
        for piece in records(unit, source):
            rows += zip(piece.rows["id"].to_pylist(), piece.rows["html"].to_pylist(), strict=True)
            bad += [(one.offset, one.cause) for one in piece.bad]
            skipped += sum(piece.skipped.values())
    return rows, bad, skipped, len(cut)


def noise(seed, size):
    return b"<p>" + random.Random(seed).randbytes(size)


def packed_pages(suffix, numbers, size):
    return [PACKED[suffix](page(n, noise(n, n * size % 997))) for n in numbers]


@settings(max_examples=40)
@given(
    suffix=st.sampled_from(sorted(PACKED)),
    numbers=st.lists(st.integers(1, 10**6), unique=True, min_size=1, max_size=60),
    unit_bytes=st.integers(50, 40_000),
    damage=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=3),
)
def test_documents_and_bad_records_are_the_same_however_a_file_is_cut(
    tmp_path_factory, suffix, numbers, unit_bytes, damage
):
    path = tmp_path_factory.mktemp("w") / f"a.warc{suffix}"
    raw = bytearray(b"".join(packed_pages(suffix, numbers, 331)))
    for place, byte in damage:
        raw[int(place * len(raw))] = byte
    path.write_bytes(raw)
    rows, bad, skipped, _ = read(path)
    assert read(path, unit_bytes)[:3] == (rows, bad, skipped)
    if not damage:
        assert [row[0] for row in rows] == [f"<urn:uuid:{n:08d}>" for n in numbers]
        assert not bad


@pytest.mark.parametrize("suffix", PACKED)
def test_a_large_file_is_cut_and_read_by_its_parts(tmp_path, suffix):
    raw = PACKED[suffix](warc("warcinfo", b"x: y")) + b"".join(
        PACKED[suffix](page(n, noise(n, 20_000))) for n in range(100)
    )
    (tmp_path / f"a.warc{suffix}").write_bytes(raw)
    rows, bad, skipped, cut = read(tmp_path / f"a.warc{suffix}", 300_000)
    assert [row[1] for row in rows] == [noise(n, 20_000) for n in range(100)]
    assert (bad, skipped, cut) == ([], 1, -(-len(raw) // 300_000) if suffix else 7)


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
@pytest.mark.parametrize("flip", [4, 12, 40, -5, -30])
def test_a_damaged_member_costs_its_record_only(tmp_path, suffix, flip):
    members = packed_pages(suffix, range(1, 40), 331)
    torn = bytearray(members[20])
    torn[flip] ^= 0x55
    raw = b"".join(members[:20]) + torn + b"".join(members[21:])
    (tmp_path / f"a.warc{suffix}").write_bytes(raw)
    rows, bad, _, _ = read(tmp_path / f"a.warc{suffix}")
    whole = [f"<urn:uuid:{n:08d}>" for n in range(1, 40)]
    unharmed = suffix == ".gz" and flip == 4  # the time of packing
    assert [row[0] for row in rows] == (whole if unharmed else [*whole[:20], *whole[21:]])
    assert [offset for offset, _ in bad] == ([] if unharmed else [len(b"".join(members[:20]))])


@pytest.mark.parametrize("suffix", PACKED)
def test_a_file_cut_short_gives_its_whole_records_and_one_bad_one(tmp_path, suffix):
    members = packed_pages(suffix, range(1, 30), 331)
    for kept in (1, 300, len(members[28]) - 5):
        raw = b"".join(members[:28]) + members[28][:kept]
        (tmp_path / f"a.warc{suffix}").write_bytes(raw)
        rows, bad, _, _ = read(tmp_path / f"a.warc{suffix}")
        assert len(rows) == 28
        assert [offset for offset, _ in bad] == [len(b"".join(members[:28]))]


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_file_that_is_one_stream_goes_on_at_the_next_head(tmp_path, suffix):
    bad = [
        warc("resource", b"<p>too long", Content_Type="text/html", length=8_000),
        warc("resource", b"<p>too short, by far" * 9, Content_Type="text/html", length=30),
        warc("resource", b"<p>", Content_Type="text/html", length=2_000_000_000),
        warc("resource", b"<p>", Content_Type="text/html", length="x"),
        b"garbage between records\r\n\r\n",
    ]
    raw, places = b"", []
    for n, torn in enumerate(bad):
        raw += page(2 * n)
        places.append(len(raw))
        raw += torn + page(2 * n + 1)
    (tmp_path / f"a.warc{suffix}").write_bytes(PACKED[suffix](raw))
    rows, found, _, _ = read(tmp_path / f"a.warc{suffix}", 1_000)
    assert [row[0] for row in rows] == [f"<urn:uuid:{n:08d}>" for n in range(10)]
    assert [offset for offset, _ in found] == (places if not suffix else [0] * 5)


def test_a_record_cut_into_members_is_put_together(tmp_path):
    raw = warc("warcinfo", b"x: y") + page(1, noise(1, 5_000)) + page(2)
    packed = b"".join(gzip.compress(raw[at : at + 777]) for at in range(0, len(raw), 777))
    (tmp_path / "a.warc.gz").write_bytes(packed)
    for unit_bytes in (100, 64_000_000):
        rows, bad, skipped, _ = read(tmp_path / "a.warc.gz", unit_bytes)
        assert [row[1] for row in rows] == [noise(1, 5_000), b"<p>page 2</p>"]
        assert (bad, skipped) == ([], 1)


def archive_of_archives(suffix):
    """Pages, and among them a record whose body is an archive, larger than several units, that would not compress."""
    inner = b"".join(PACKED[suffix](page(n, noise(n, 3_000))) for n in range(1000, 1300))
    outer = warc("response", http(inner, content_type="application/warc"), 500)
    pages = [page(n, noise(n, 400)) for n in range(1, 100)]
    unpacked = {"": bytes, ".gz": lambda raw: gzip.compress(raw, 0), ".zst": zstandard.ZstdCompressor(-9999).compress}
    stored = unpacked[suffix](outer)
    return b"".join([*map(PACKED[suffix], pages[:50]), stored, *map(PACKED[suffix], pages[50:])])


@pytest.mark.parametrize("suffix", PACKED)
@pytest.mark.parametrize("unit_bytes", [90_000, 170_001, 400_000])
def test_an_archive_inside_a_record_is_not_taken_for_records_of_its_own(tmp_path, suffix, unit_bytes):
    raw = archive_of_archives(suffix)
    assert raw.count({"": b"WARC/1.0", ".gz": b"\x1f\x8b\x08", ".zst": b"\x28\xb5\x2f\xfd"}[suffix]) > 300
    (tmp_path / f"a.warc{suffix}").write_bytes(raw)
    rows, bad, skipped, cut = read(tmp_path / f"a.warc{suffix}", unit_bytes)
    assert [row[0] for row in rows] == [f"<urn:uuid:{n:08d}>" for n in range(1, 100)]
    assert (bad, skipped) == ([], 1)
    assert cut > 1


BLOCK = 65_535


def forged():
    """A gzip member whose record holds members that no stored block breaks: its heads lie in their extra fields."""
    size = 4 * BLOCK
    payload = bytearray(warc("resource", b"", 500, Content_Type="application/warc", length=size)[:-4])
    payload = bytearray(payload.replace(b"%d" % size, b"%d" % (size - len(payload) - 4)))
    for n in range(1000, 1060):
        member = gzip.compress(page(n, noise(n, 3_000)))
        left = BLOCK - len(payload) % BLOCK
        if left < len(member) + 100:  # up to the end of the block, the 5 bytes that open the next, and 10 more
            extra = (left - 12 + 5 + 10).to_bytes(2, "little") + b"x" * (left - 12 + 10)
            member = member[:3] + b"\4" + member[4:10] + extra + member[10:]
        payload += member
    payload = bytes(payload) + b"x" * (size - len(payload) - 4) + b"\r\n\r\n"
    blocks = b"".join(
        bytes([at + BLOCK == size])
        + BLOCK.to_bytes(2, "little")
        + (BLOCK ^ 0xFFFF).to_bytes(2, "little")
        + payload[at : at + BLOCK]
        for at in range(0, size, BLOCK)
    )
    ending = zlib.crc32(payload).to_bytes(4, "little") + size.to_bytes(4, "little")
    return gzip.compress(b"")[:10] + blocks + ending


def test_a_boundary_forged_inside_a_record_is_said(tmp_path):
    """Whoever knows where the packer's blocks end can hide a chain of members; the unit before it tells."""
    pages = b"".join(gzip.compress(page(n, noise(n, 3_000))) for n in range(100))
    (tmp_path / "a.warc.gz").write_bytes(pages + forged() + pages)
    rows, bad, skipped, _ = read(tmp_path / "a.warc.gz")
    assert ([row[0] for row in rows], bad, skipped) == ([f"<urn:uuid:{n:08d}>" for n in range(100)] * 2, [], 1)
    rows, bad, _, _ = read(tmp_path / "a.warc.gz", len(pages) + 2_000)
    told = [offset for offset, cause in bad if cause.startswith("a record inside another one")]
    assert len(told) == 1
    assert len(pages) + 2_000 <= told[0] < len(pages) + 8_000
    assert {f"<urn:uuid:{n:08d}>" for n in range(100)} < {row[0] for row in rows}  # and some of the hidden ones


def test_zeros_that_fill_up_the_end_of_a_file_are_nothing(tmp_path):
    (tmp_path / "a.warc.gz").write_bytes(gzip.compress(page(1)) + b"\0" * 10_000)
    rows, bad, _, _ = read(tmp_path / "a.warc.gz")
    assert (len(rows), bad) == (1, [])


def test_what_lies_between_members_is_bad_and_left_out(tmp_path):
    first, second = gzip.compress(page(1)), gzip.compress(page(2))
    (tmp_path / "a.warc.gz").write_bytes(first + b"not gzip" + second)
    rows, bad, _, _ = read(tmp_path / "a.warc.gz")
    assert (len(rows), bad) == (2, [(len(first), "no gzip member begins here")])


def test_the_dictionary_that_opens_a_zstd_archive_is_used_by_every_unit(tmp_path):
    pages = [page(n, b"<p>the same words in every page, as on one site, number %d</p>" % n * 9) for n in range(3_000)]
    held = zstandard.train_dictionary(4_096, pages[:500])
    packer = zstandard.ZstdCompressor(dict_data=held)
    members = b"".join(packer.compress(one) for one in pages)
    for dictionary in (held.as_bytes(), zstandard.ZstdCompressor().compress(held.as_bytes())):
        frame = b"\x5d\x2a\x4d\x18" + len(dictionary).to_bytes(4, "little") + dictionary
        (tmp_path / "a.warc.zst").write_bytes(frame + members)
        rows, bad, _, cut = read(tmp_path / "a.warc.zst", 40_000)
        assert ([row[0] for row in rows], bad) == ([f"<urn:uuid:{n:08d}>" for n in range(3_000)], [])
        assert cut > 1


def test_a_damaged_dictionary_is_said(tmp_path):
    frame = b"\x5d\x2a\x4d\x18" + (2**31).to_bytes(4, "little")
    (tmp_path / "a.warc.zst").write_bytes(frame + PACKED[".zst"](page(1)))
    rows, bad, _, _ = read(tmp_path / "a.warc.zst")
    assert (rows, [cause.split(":")[0] for _, cause in bad]) == ([], ["damaged zstd dictionary"])


def test_a_file_that_got_shorter_since_it_was_planned_is_named(tmp_path):
    path = tmp_path / "a.warc.gz"
    path.write_bytes(b"".join(gzip.compress(page(n, noise(n, 2_000))) for n in range(200)))
    source = Source(path=str(path))
    cut = units([source], lambda found: "x", 200_000)
    path.write_bytes(path.read_bytes()[:250_000])
    with pytest.raises(SourceError, match=r"a\.warc\.gz: 250,000 bytes, but 400,000"):
        list(records(cut[1], source))


def listed(path):
    """Everything a reader sees of an archive's records, in order."""
    archive = Archive(Extent(str(path), path.name, 0, -1), 64)
    return [(r.member, r.inner, r.arc, r.cause, r.too_long, r.block(), r.named.get(b"warc-record-id")) for r in archive]


@settings(max_examples=60)
@given(
    blocks=st.lists(st.binary(max_size=300), min_size=1, max_size=12),
    lengths=st.lists(st.integers(-5, 5) | st.just(10**9), max_size=2),
    endings=st.sampled_from([b"", b"", b"\r\n", b"\r\n\r\n", b"x", b"\n\n"]),
    together=st.integers(1, 3),
    damage=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=2),
)
def test_members_opened_at_once_give_what_the_careful_way_gives(
    tmp_path_factory, blocks, lengths, endings, together, damage
):
    lies = dict(zip(range(0, len(blocks), 3), lengths, strict=False))
    raws = [
        warc("resource", block, n, Content_Type="text/html", length=max(0, len(block) + lies.get(n, 0)))
        + (endings if n % 4 == 1 else b"")
        for n, block in enumerate(blocks)
    ]
    packed = [gzip.compress(b"".join(raws[n : n + together])) for n in range(0, len(raws), together)]
    raw = bytearray(b"".join(packed))
    for place, byte in damage:
        raw[int(place * len(raw))] = byte
    path = tmp_path_factory.mktemp("w") / "a.warc.gz"
    path.write_bytes(raw)
    at_once = listed(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WholeMembers, "next", lambda self, feed: None)
        assert at_once == listed(path)


@pytest.mark.parametrize("size", [10, 5_000, 70_000, 1_000_000, 4_100_000, 5_000_000])
def test_members_of_any_size_are_read_to_their_last_byte(tmp_path, size):
    pages = [noise(n, size) for n in range(3)] + [b"<p>" + bytes(size)]
    (tmp_path / "a.warc.gz").write_bytes(b"".join(gzip.compress(page(n, one), 1) for n, one in enumerate(pages)))
    rows, bad, _, _ = read(tmp_path / "a.warc.gz")
    assert [row[1] for row in rows] == pages
    assert bad == []


def test_empty_members_are_nothing(tmp_path):
    empty = gzip.compress(b"")
    (tmp_path / "a.warc.gz").write_bytes(empty + gzip.compress(page(1)) + empty * 3 + gzip.compress(page(2)) + empty)
    rows, bad, _, _ = read(tmp_path / "a.warc.gz")
    assert (len(rows), bad) == (2, [])


@given(
    raw=st.binary(max_size=600),
    suffix=st.sampled_from([*PACKED, ".lz4"]),
    opening=st.sampled_from([b"", page(1), arc("filedesc://a.arc", FILEDESC), b"WARC/1.0\r\n", b"\x04\x22\x4d\x18"]),
    packs=st.booleans(),
    unit_bytes=st.integers(1, 2_000),
)
def test_any_bytes_are_records_or_bad(tmp_path_factory, raw, suffix, opening, packs, unit_bytes):
    path = tmp_path_factory.mktemp("w") / f"a.warc{suffix}"
    path.write_bytes(PACKED.get(suffix, bytes)(opening + raw) if packs else opening + raw)
    rows, bad, skipped, _ = read(path, unit_bytes)
    if opening == page(1) and packs and suffix != ".lz4":
        assert rows[:1] == [("<urn:uuid:00000001>", b"<p>page 1</p>")]
    elif raw.strip(b"\r\n\0") and not opening:
        assert rows or bad or skipped
