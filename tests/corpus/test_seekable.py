"""Seek tables: documents are the same however a file is cut, and a table that lies is not used."""

import itertools
import random
import struct
import warnings

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from corpus import seekable
from corpus.readers import records
from corpus.source import Source
from corpus.streams import Damage, blocks
from corpus.units import units

RAW = "".join(f'{{"text": "document {n} {"x" * (n * 37 % 90)}"}}\n' for n in range(200)).encode()


def packed(parts, sized=True, checked=False, lie=lambda entries: entries):
    """Frames with a table as the format's description has it; `lie` may change its (stored, opened) entries."""
    frames = [zstandard.ZstdCompressor(write_content_size=sized).compress(part) for part in parts]
    entries = lie([(len(frame), len(part)) for frame, part in zip(frames, parts, strict=True)])
    table = b"".join(struct.pack("<II", *entry) + bytes(4 * checked) for entry in entries)
    table += struct.pack("<IBI", len(entries), 0x80 * checked, 0x8F92EAB1)
    return b"".join(frames) + struct.pack("<II", 0x184D2A5E, len(table)) + table


def split(raw, cuts):
    edges = [0, *sorted(cuts), len(raw)]
    return [raw[a:b] for a, b in itertools.pairwise(edges)]


def read(path, unit_bytes):
    source, rows, bad = Source(path=str(path)), [], []
    parts = units([source], lambda found: "x", unit_bytes)
    for unit in parts:
        for piece in records(unit, source):
            rows += [(row["id"].partition("#")[2], row["text"]) for row in piece.rows.to_pylist()]
            bad += piece.bad
    assert sum(unit.stored_bytes for unit in parts) == path.stat().st_size
    return len(parts), rows, bad


cuts = st.lists(st.integers(0, len(RAW)), max_size=12)


@given(cuts=cuts, unit_bytes=st.integers(1, 20_000), sized=st.booleans(), checked=st.booleans())
def test_documents_are_those_of_the_plain_file_however_it_is_cut(tmp_path_factory, cuts, unit_bytes, sized, checked):
    folder = tmp_path_factory.mktemp("z")
    (folder / "a.jsonl").write_bytes(RAW)
    (folder / "a.jsonl.zst").write_bytes(packed(split(RAW, cuts), sized, checked))
    count, rows, bad = read(folder / "a.jsonl.zst", unit_bytes)
    assert (rows, bad) == read(folder / "a.jsonl", 1 << 30)[1:]
    assert count <= 1 + len(RAW) // unit_bytes


def test_a_file_of_many_frames_is_cut_and_read_from_the_frame_that_is_wanted(tmp_path):
    path = tmp_path / "a.jsonl.zst"
    path.write_bytes(packed(split(RAW, range(500, len(RAW), 500))))
    assert read(path, 2_000)[0] == -(-len(split(RAW, range(500, len(RAW), 500))) // 4)
    for start in (0, 1, 499, 500, 501, len(RAW) - 1, len(RAW)):
        assert b"".join(block for _, block in blocks(str(path), start)) == RAW[start:]
    content = bytearray(path.read_bytes())
    content[5:40] = bytes(35)  # the first frame is destroyed; what begins behind it does not need it
    path.write_bytes(content)
    assert b"".join(block for _, block in blocks(str(path), 2_000)) == RAW[2_000:]


def test_damage_says_its_place_in_the_whole_file(tmp_path):
    noise = random.Random(1).randbytes(40_000)
    path = tmp_path / "a.zst"
    content = bytearray(packed(split(noise, [10_000, 20_000, 30_000])))
    content[content.index(noise[30_000:30_020]) - 1] |= 0b110  # the head of the last frame's only block
    path.write_bytes(content)
    got = []
    with pytest.raises(Damage) as damage:
        got.extend(block for _, block in blocks(str(path), 15_000))
    assert damage.value.offset == 30_000
    assert noise[15_000:30_000].startswith(b"".join(got))


def grown(entries):
    return [(stored, opened + 1) for stored, opened in entries]


def merged(entries):
    (a, b), (c, d), *rest = entries
    return [(a + c, b + d), *rest]


def swapped(entries):
    (a, b), (c, d), *rest = entries
    return [(a, d), (c, b), *rest]


def shorter(entries):
    return entries[:-1]


def nothing(entries):
    return [(stored, 0) for stored, _ in entries[:-1]] + [(entries[-1][0], sum(opened for _, opened in entries))]


@pytest.mark.parametrize("lie", [grown, merged, swapped, shorter, nothing])
@pytest.mark.parametrize("sized", [True, False])
def test_a_table_that_lies_is_told_and_the_file_read_whole(tmp_path, lie, sized):
    path = tmp_path / "a.jsonl.zst"
    path.write_bytes(packed(split(RAW, [900, 3_000, 9_000]), sized, lie=lie))
    with pytest.warns(UserWarning, match=r"a\.jsonl\.zst: its seek table is not used, one worker reads the whole file"):
        count, rows, bad = read(path, 2_000)
    assert (count, len(rows), bad) == (1, 200, [])


def test_frames_without_a_table_are_one_unit_and_nothing_is_said(tmp_path):
    path = tmp_path / "a.jsonl.zst"
    path.write_bytes(b"".join(zstandard.compress(part) for part in split(RAW, [900, 3_000])))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        count, rows, bad = read(path, 1_000)
    assert (count, len(rows), bad) == (1, 200, [])


@given(st.binary(max_size=80), st.booleans())
def test_a_table_of_any_bytes_is_none_or_wrong(tmp_path_factory, raw, footed):
    path = tmp_path_factory.mktemp("z") / "a.zst"
    path.write_bytes(raw + struct.pack("<I", seekable.FOOTER) * footed)
    with path.open("rb") as file:
        try:
            table = seekable.frames(file)
            if table is not None:
                seekable.check(file, table)
        except seekable.Wrong:
            assert footed or raw.endswith(struct.pack("<I", seekable.FOOTER))
