"""Exact substrings: byte for byte what a dict of all windows says, and what a suffix array says."""

import gzip
import io
import json
import random

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from repeats_in_memory import batch, by_hand, in_order, kept, left

from corpus.buffers import utf8
from stages.substring import Substring

WORDS = st.sampled_from(
    ["a", "b", "a.", "a,", "b\n", "日", "本", "e\u0301", "é", "can't", "can", "1.5", "!", "👩\u200d👩", " "]
)
TEXT = st.lists(WORDS, max_size=40).flatmap(lambda some: st.sampled_from(["", " "]).map(lambda gap: gap.join(some)))


def windows(texts, length):
    """(bytes, start, end) of every run of words of each text, by the word pass alone."""
    some = batch(texts)
    (offsets, data), words = some.utf8, some.words
    return [
        [
            (
                bytes(data[words.starts[w] : words.ends[w + length - 1]]),
                words.starts[w] - offsets[n],
                words.ends[w + length - 1] - offsets[n],
            )
            for w in range(words.first[n], words.first[n + 1] - length + 1)
        ]
        for n in range(len(texts))
    ]


def checked(texts, length, per_shard=3):
    ids = [f"d{n}" for n in range(len(texts))]
    stays = by_hand(windows(texts, length), texts, ids)
    stage = Substring(least_words=length, least_left_words=0)
    assert left(stage, texts, ids, per_shard) == kept(texts, stays)
    return sum(int((~mask).sum()) for mask in stays)


@settings(max_examples=200)
@given(st.lists(TEXT, max_size=7), st.integers(2, 7))
@example(["a " * 30], 4)  # one word over and over: windows overlap themselves
@example(["can't a b", "can a b", "xcan a b"], 3)  # the same bytes from inside a word are no window
@example(["a b can", "a b can't"], 3)  # nor those that end inside one
def test_what_is_cut_is_what_a_dict_of_all_windows_says(texts, length):
    checked(texts, length)


def test_passages_planted_in_other_texts_are_cut_and_nothing_else():
    draw = random.Random(7)
    vocabulary = [f"w{n}" for n in range(5_000)]
    texts = [" ".join(draw.choices(vocabulary, k=300)) for _ in range(40)]
    for n, size in enumerate([49, 50, 51, 80, 200]):
        passage = " ".join(draw.choices(vocabulary, k=size))
        for other in draw.sample(range(40), 3):
            some = texts[other].split(" ")
            at = draw.randrange(len(some))
            texts[other] = " ".join([*some[:at], f"<{n}>", passage, f"<{n}>", *some[at:]])
    cut = checked(texts, 50)
    assert cut > 2 * 4 * (50 + 51 + 80 + 200 - 50)  # all but the first of three, unless one was planted into another


def test_real_pages_are_cut_byte_for_byte(data):
    texts = real(data, 250)
    assert checked(texts, 50, per_shard=37) > 0
    assert checked(texts, 12, per_shard=400) > 0


def real(data, most):
    import pyarrow as pa

    texts = []
    for path in sorted((data / "corpus").glob("web__*.jsonl.*")):
        with pa.input_stream(str(path), compression="zstd" if path.suffix == ".zst" else "gzip") as raw:
            texts += [json.loads(line)["text"] for line in io.BytesIO(raw.read())][: most // 3]
    return [text for text in texts if len(text) < 40_000][:most]


@settings(max_examples=40)
@given(st.lists(TEXT, max_size=6), st.integers(2, 5))
def test_a_suffix_array_finds_the_same_bytes(texts, length):
    suffix_array(texts, length)


def test_a_suffix_array_finds_the_same_bytes_in_real_pages(data):
    suffix_array(real(data, 150), 50)


def suffix_array(texts, length):
    """Windows are equal where their suffixes share as many bytes as both are long: no hash takes part."""
    pydivsufsort = pytest.importorskip("pydivsufsort", reason="pip install pydivsufsort, for this check alone")
    joined = b"".join(text.encode() + b"\xff" for text in texts)  # a byte of no text, so no match leaves its document
    if not joined:
        return
    suffixes = pydivsufsort.divsufsort(np.frombuffer(joined, np.uint8).copy())
    shared = pydivsufsort.kasai(
        np.frombuffer(joined, np.uint8).copy(), suffixes
    )  # of each suffix and the next in order
    offsets = np.cumsum([0, *(len(text.encode()) + 1 for text in texts)])
    ids = [f"d{n}" for n in range(len(texts))]
    place = {n: at for at, n in enumerate(in_order(texts, ids))}
    size, first = {}, {}
    for n, some in enumerate(windows(texts, length)):
        for _, start, end in some:
            size[int(offsets[n] + start)] = int(end - start)
    rank = lambda at: (place[int(np.searchsorted(offsets, at, "right")) - 1], at)  # noqa: E731
    ordered = [(i, at) for i, at in enumerate(suffixes.tolist()) if at in size]
    for number, (i, at) in enumerate(ordered):  # forward while the window's bytes are shared
        reach, together = size[at], [at]
        before = i
        for further in range(number + 1, len(ordered)):
            after, other = ordered[further]
            reach, before = min(reach, int(shared[before:after].min())), after
            if reach < size[at]:
                break
            if size[other] == size[at]:
                together.append(other)
        for one in together:
            first[one] = min(first.get(one, rank(one)), *map(rank, together))
    stays = [np.ones(len(text.encode()), bool) for text in texts]
    for at, best in first.items():
        if best != rank(at):
            n = int(np.searchsorted(offsets, at, "right")) - 1
            stays[n][at - offsets[n] : at - offsets[n] + size[at]] = False
    assert left(Substring(least_words=length, least_left_words=0), texts, ids) == kept(texts, stays)


def test_fingerprints_are_as_many_as_winnowing_promises():
    """Schleimer, Wilkerson and Aiken 2003: 2 / (runs in a window + 1) of the words on random text."""
    draw = random.Random(3)
    text = " ".join(str(draw.randrange(10**9)) for _ in range(50_000))
    key, _, _, count = Substring().fingerprints(batch([text]))
    assert len(key) / 50_000 == pytest.approx(2 / 27, rel=0.03)
    assert count.sum() == 50_000 - 50 + 1


def test_equal_windows_have_equal_fingerprints_wherever_they_stand():
    """Each window's own fingerprint, by definition: the least hash of its runs, whose bytes are the window's alone."""
    passage = " ".join(f"w{n % 7}{n % 11}" for n in range(60))
    some = batch([f"Before it {passage} after.", f"{passage}", f"x. {passage}, and, more"])
    key, row, _, count = Substring().fingerprints(some)
    every = [set(key[row == n].tolist()) for n in range(3)]
    assert every[1] <= every[0]
    assert every[1] <= every[2]
    assert count[row == 1].sum() == 11


def test_the_same_words_with_other_bytes_between_are_not_the_same():
    one, other = (gap.join(f"w{n}" for n in range(80)) for gap in (" ", "  "))
    assert left(Substring(), [one, other, one.upper()]) == [one, other, one.upper()]


def test_gzip_of_nothing_and_single_words_are_fine():
    texts = ["", "one", gzip.compress(b"", mtime=0).decode("latin-1"), "word " * 49]
    assert left(Substring(), texts) == texts
    offsets, _ = utf8(batch(texts).text)
    assert Substring().emit(batch(texts)).num_rows == 0 < offsets[-1]
