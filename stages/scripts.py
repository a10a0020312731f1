"""Scripts: what each text is written in, by counting its letters (scripts.txt, Unicode's Script property).

Letters that belong to no one script (ー, ª) count for none, and neither do marks, digits and symbols. Names are ISO
15924's. Japanese is written in three scripts at once: kana count as Jpan, and so do Han characters among them.
"""

from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numba import njit

from corpus.classes import CODE_POINTS, decode

KANA_SHARE = 0.05
"""Kana per letter of kana and Han from which both are Japanese. Tatoeba's and UDHR's Japanese has 0.75 at the median
and 99 texts in 100 more than 0.38 (scripts/bench_language.py kana); Chinese pages quote a の now and then."""


class Scripts(NamedTuple):
    """Of N texts."""

    script: np.ndarray  # int16 [N], place in `names()` of that with the most letters; 0 where there is no letter
    most: np.ndarray  # int64 [N], its letters
    letters: np.ndarray  # int64 [N], those of all scripts


@cache
def names() -> tuple[str, ...]:
    """ISO 15924 codes by number; "" is no script. Hira and Kana stand for the counting alone."""
    return ("", "Latn", "Hani", "Jpan", *sorted({code for code, _ in _rows()} - {"Latn", "Hani", "Hira", "Kana"}))


_LATIN, _HAN, _JAPANESE = 1, 2, 3


@cache
def table() -> np.ndarray:
    """The script of every code point: uint8 [0x110000], read-only; 0 where it is no letter of one."""
    number = {code: n for n, code in enumerate(names())} | {"Hira": _JAPANESE, "Kana": _JAPANESE}
    scripts = np.zeros(CODE_POINTS, np.uint8)
    for code, spans in _rows():
        for span in spans:
            first, _, last = span.partition("..")
            scripts[int(first, 16) : int(last or first, 16) + 1] = number[code]
    scripts.flags.writeable = False
    return scripts


def _rows() -> list[tuple[str, list[str]]]:
    lines = Path(__file__).with_name("scripts.txt").read_text(encoding="utf-8").splitlines()
    return [(line.split()[0], line.split()[1:]) for line in lines if not line.startswith("#")]


def scripts(data: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> Scripts:
    """The script with the most letters of each text data[start:end]: int64 [N] bytes into UTF-8 in uint8.

    Of scripts with equally many the first in `names()`. 1.2 GB/s a core on mostly English text, 0.3 on
    short sentences in all scripts: scripts/bench_language.py speed.
    """
    script, most, letters = (np.zeros(len(starts), kind) for kind in (np.int16, np.int64, np.int64))
    _count(data, starts, ends, table(), len(names()), script, most, letters)
    return Scripts(script, most, letters)


@njit(nogil=True, cache=True)
def _count(data, starts, ends, table, known, script, most, letters):  # type: ignore[no-untyped-def]
    for n in range(len(starts)):
        counts = np.zeros(known, np.int64)
        b, latin = starts[n], np.int64(0)
        while b < ends[n]:
            byte = data[b]
            if byte < 0x80:
                latin += np.uint8((byte | 0x20) - 0x61) < 26
                b += 1
            else:
                c, b = decode(data, b, ends[n])
                counts[table[c]] += 1
        counts[_LATIN] += latin
        counts[0] = 0
        if counts[_JAPANESE] > KANA_SHARE * (counts[_JAPANESE] + counts[_HAN]):
            counts[_JAPANESE] += counts[_HAN]
            counts[_HAN] = 0
        letters[n] = counts.sum()
        if letters[n]:
            script[n] = counts.argmax()
            most[n] = counts[script[n]]
