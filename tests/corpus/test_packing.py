"""Packings: no token twice in an epoch, no document cut where it need not be, and any sequence found by itself."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus import packing as module
from corpus.packing import PACKINGS, BestFit, Concatenated, Pieces, Windows

lengths = st.lists(st.integers(0, 60), max_size=80)
widths = st.integers(1, 40)
names = st.sampled_from(sorted(PACKINGS))


def packed(name, documents, width, seed=3, begin=0):
    starts = begin + np.concatenate(([0], np.cumsum(documents))).astype(np.int64)
    return PACKINGS[name](starts, width, seed, "web")


def listed(pieces: Pieces) -> list[list[tuple[int, int]]]:
    pairs = list(zip(pieces.at.tolist(), pieces.tokens.tolist(), strict=True))
    return [pairs[a:b] for a, b in zip(pieces.first[:-1], pieces.first[1:], strict=True)]


def epoch(packing, number=0):
    return packing.pieces(np.arange(packing.sequences) + number * packing.sequences)


def times_read(pieces: Pieces, tokens: int) -> np.ndarray:
    counts = np.zeros(tokens, np.int64)
    for at, many in zip(pieces.at, pieces.tokens, strict=True):
        counts[at : at + many] += 1
    return counts


@given(names, lengths, widths, st.integers(0, 3), st.integers(0, 1000))
def test_an_epoch_reads_no_token_twice_and_leaves_out_less_than_a_sequence(name, documents, width, number, begin):
    packing = packed(name, documents, width, begin=begin)
    pieces, tokens = epoch(packing, number), sum(documents)
    counts = times_read(pieces, tokens)
    assert counts.max(initial=0) <= 1
    if name == "best_fit":
        assert counts.sum() == tokens
        assert pieces.used.max(initial=0) <= width
    else:
        assert tokens - counts.sum() < width
        assert (pieces.used == width).all()
    assert len(pieces.first) == packing.sequences + 1
    assert pieces.tokens.min(initial=1) >= 1


@given(names, lengths.filter(lambda some: sum(some) > 40), widths, st.data())
def test_any_sequence_of_any_epoch_is_found_by_itself(name, documents, width, data):
    packing = packed(name, documents, width)
    indices = sorted(data.draw(st.lists(st.integers(0, 4 * packing.sequences), min_size=1, max_size=12)))
    alone = [listed(packed(name, documents, width).pieces(np.array([index])))[0] for index in indices]
    assert listed(packing.pieces(np.array(indices))) == alone


@given(names, st.lists(st.integers(1, 9), min_size=90, max_size=120), st.integers(1, 5))
def test_epochs_have_orders_of_their_own(name, documents, width):
    packing = packed(name, documents, width)
    orders = [epoch(packing, number) for number in range(4)]
    assert len({(one.at.tobytes(), one.tokens.tobytes()) for one in orders}) == 4
    assert len({packed(name, documents, width, seed).pieces(np.arange(9)).at.tobytes() for seed in range(4)}) == 4


@given(lengths, widths)
def test_windows_are_cut_every_so_many_tokens(documents, width):
    pieces = epoch(packed("windows", documents, width))
    assert sorted(pieces.at.tolist()) == [width * n for n in range(sum(documents) // width)]


@given(lengths, widths, st.integers(0, 2))
def test_concatenated_sequences_end_to_end_are_whole_documents(documents, width, number):
    """Joined again, the pieces are documents from begin to end, each once, but for the last, which may be cut."""
    packing = packed("concatenate", documents, width)
    line = [at + n for at, many in zip(*epoch(packing, number)[1:], strict=True) for n in range(many)]
    starts, seen = np.concatenate(([0], np.cumsum(documents))), 0
    while seen < len(line):
        document = np.searchsorted(starts, line[seen], side="right") - 1
        assert line[seen] == starts[document]
        whole = list(range(starts[document], starts[document + 1]))[: len(line) - seen]
        assert line[seen : seen + len(whole)] == whole
        seen += len(whole)


@given(lengths, widths)
def test_best_fit_cuts_a_document_only_every_so_many_tokens(documents, width):
    starts = np.concatenate(([0], np.cumsum(documents)))
    due = {
        (s + k, min(width, n - k)) for s, n in zip(starts.tolist(), documents, strict=False) for k in range(0, n, width)
    }
    sequences = listed(epoch(packed("best_fit", documents, width)))
    assert sorted(piece for sequence in sequences for piece in sequence) == sorted(due)
    for sequence in sequences:  # a document's early pieces fill sequences, so masks need only end tokens
        assert len(sequence) == 1 or all(at + many in starts for at, many in sequence)


def best_fit_by_scan(pieces, width):
    """Best-fit decreasing as its definition reads: of all open sequences, the one with the least sufficient room."""
    rooms: list[int] = []
    for piece in sorted(pieces, reverse=True):
        fits = [n for n, room in enumerate(rooms) if room >= piece]
        if fits:
            rooms[min(fits, key=lambda n: rooms[n])] -= piece
        else:
            rooms.append(width - piece)
    return sorted(rooms)


@given(lengths, widths)
def test_best_fit_leaves_the_room_that_its_definition_leaves(documents, width):
    pieces = epoch(packed("best_fit", documents, width))
    cut = [min(width, n - k) for n in documents for k in range(0, n, width)]
    assert sorted((width - pieces.used).tolist()) == best_fit_by_scan(cut, width)


def test_best_fit_by_hand():
    """Room 10; 7, 6, 4, 3: 6 + 4 and 7 + 3, where first-come would have needed three."""
    sequences = listed(epoch(packed("best_fit", [7, 6, 4, 3], 10)))
    assert sorted(map(sorted, sequences)) == [[(0, 7), (17, 3)], [(7, 6), (13, 4)]]


def test_buffers_are_packed_by_themselves(monkeypatch):
    """Six documents of 5 in sequences of 10, two or three at a time: with threes every second sequence is half."""
    monkeypatch.setattr(module, "BUFFER", 3)
    assert sorted(epoch(packed("best_fit", [5] * 6, 10)).used.tolist()) == [5, 5, 10, 10]
    monkeypatch.setattr(module, "BUFFER", 2)
    assert epoch(packed("best_fit", [5] * 6, 10)).used.tolist() == [10, 10, 10]


def test_web_text_fills_sequences_to_a_thousandth():
    documents = np.maximum(1, np.random.default_rng(0).lognormal(6, 1, 50_000).astype(np.int64))
    packing = packed("best_fit", documents, 2048)
    assert documents.sum() / (packing.sequences * 2048) > 0.999


@pytest.mark.parametrize("packing", [Windows, Concatenated, BestFit])
def test_too_short_for_one_sequence_is_none_and_misuse_is_named(packing):
    empty = packing(np.zeros(1, np.int64), 4, 0, "web")
    assert empty.sequences == 0
    assert empty.pieces(np.zeros(0, np.int64)).first.tolist() == [0]
    with pytest.raises(ValueError, match="domain 'web' has 0 sequences"):
        empty.pieces(np.zeros(1, np.int64))
    with pytest.raises(ValueError, match="ask in order"):
        packing(np.array([0, 8, 40]), 4, 0, "web").pieces(np.array([100, 0]))
    with pytest.raises(ValueError, match="sequences of 0 tokens"):
        packing(np.zeros(1, np.int64), 0, 0, "web")
