"""Streams: every good byte before a damage, nothing made up after it, and bounded blocks."""

import gzip
import os
import random
import zlib

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.errors import SourceError
from corpus.streams import BLOCK, Damage, SourceFile, blocks


def zstd(content):
    return pa.compress(content, codec="zstd", asbytes=True)


PACKERS = {".gz": gzip.compress, ".zst": zstd, "": bytes}
WORDS = [f"word{n}" for n in range(3000)]
TEXT = " ".join(random.Random(1).choices(WORDS, k=15_000)).encode()


def delivered(path):
    """What the stream gives, and its damage or None."""
    pieces, damage, expected = [], None, 0
    try:
        for offset, block in blocks(str(path)):
            assert offset == expected
            assert 0 < len(block) <= BLOCK + (1 << 16)
            pieces.append(block)
            expected += len(block)
    except Damage as error:
        damage = error
        assert damage.offset == expected
    return b"".join(pieces), damage


@pytest.mark.parametrize("suffix", PACKERS)
@given(parts=st.lists(st.binary(max_size=300), max_size=5))
def test_members_and_frames_in_a_row_are_one_stream(tmp_path_factory, suffix, parts):
    path = tmp_path_factory.mktemp("s") / f"a{suffix}"
    path.write_bytes(b"".join(PACKERS[suffix](part) for part in parts))
    assert delivered(path) == (b"".join(parts), None)


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
@settings(max_examples=6)
@given(share=st.floats(0.001, 0.999))
def test_a_cut_stream_gives_a_prefix_and_says_where_it_ends(tmp_path_factory, suffix, share):
    packed = PACKERS[suffix](TEXT)
    path = tmp_path_factory.mktemp("s") / f"a{suffix}"
    path.write_bytes(packed[: max(1, int(share * len(packed)))])
    got, damage = delivered(path)
    assert damage is not None
    assert TEXT.startswith(got)


@settings(max_examples=6)
@given(cut=st.floats(0.001, 0.999), flip=st.booleans())
def test_a_damaged_gzip_gives_every_byte_that_zlib_can_give(tmp_path_factory, cut, flip):
    packed = bytearray(gzip.compress(TEXT))
    place = 12 + int(cut * (len(packed) - 30))
    packed = packed[:place] + (bytes(8) + packed[place + 8 :] if flip else b"")
    path = tmp_path_factory.mktemp("s") / "a.gz"
    path.write_bytes(packed)
    inflate, best = zlib.decompressobj(31), b""
    try:  # a byte at a time: what comes before the call that fails is not lost
        for byte in packed:
            best += inflate.decompress(bytes([byte]))
    except zlib.error:
        pass
    got, damage = delivered(path)
    assert damage is not None
    assert got == best


def test_zstd_gives_every_block_before_a_flipped_one(tmp_path):
    noise = random.Random(2).randbytes(1_000_000)
    packed = bytearray(zstd(noise))  # incompressible: stored as blocks of 128 KB
    packed[600_000 : 600_000 + 1] = bytes([packed[600_000] ^ 255])
    assert len(packed) > len(noise)
    header = next(n for n in range(20) if packed[n : n + 8] == noise[:8])
    broken = header - 3 + 4 * (131_072 + 3)  # the header of the fifth block
    packed[broken] |= 0b110  # a block type that does not exist
    path = tmp_path / "a.zst"
    path.write_bytes(packed)
    got, damage = delivered(path)
    assert got == noise[: 4 * 131_072]
    assert damage.offset == 4 * 131_072


def test_damage_after_several_blocks_is_found_again(tmp_path):
    content = random.Random(3).randbytes(10_000_000)
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(content, 1)[:-1000])
    got, damage = delivered(path)
    assert content.startswith(got)
    assert len(content) - 1100 < len(got)
    assert "Truncated" in damage.cause


def test_what_is_not_compressed_at_all_is_damage_at_the_start(tmp_path):
    for suffix in (".gz", ".zst"):
        (tmp_path / f"a{suffix}").write_bytes(b"plain text, misnamed\n" * 10)
        got, damage = delivered(tmp_path / f"a{suffix}")
        assert (got, damage.offset) == (b"", 0)


def test_an_empty_file_is_an_empty_stream(tmp_path):
    for suffix in PACKERS:
        (tmp_path / f"a{suffix}").write_bytes(b"")
        assert delivered(tmp_path / f"a{suffix}") == (b"", None)


def test_a_plain_file_can_be_read_from_any_byte(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(TEXT)
    (first,) = blocks(str(path), 1234)
    assert first == (1234, TEXT[1234:])


def test_a_bomb_comes_in_bounded_blocks(tmp_path):
    path = tmp_path / "a.zst"
    path.write_bytes(zstd(bytes(200_000_000)))
    assert path.stat().st_size < 50_000
    assert sum(len(block) for _, block in blocks(str(path))) == 200_000_000  # sizes: see `delivered`
    assert max(len(block) for _, block in blocks(str(path))) <= BLOCK + (1 << 16)


def test_a_failing_disk_is_not_mistaken_for_a_damaged_stream(tmp_path):
    for name in ("a.txt", "a.gz", "a.zst"):
        os.symlink("/proc/self/mem", tmp_path / name)  # opens, and fails to read byte 0 with EIO
        with pytest.raises(SourceError, match="cannot be read"):
            list(blocks(str(tmp_path / name)))


def test_a_missing_file_is_named():
    with pytest.raises(SourceError, match=r"/nowhere/a\.jsonl: cannot be read .* removed since the run was planned"):
        SourceFile("/nowhere/a.jsonl")
