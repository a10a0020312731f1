"""Mutated files of every format: nothing but documents, bad records and errors of our own come of them."""

from pathlib import Path

import pytest

from corpus.readers import FORMATS
from scripts.fuzz_readers import case, fuzz, made, read, seeds


def test_a_case_is_the_same_bytes_every_time():
    corpus, formats = seeds([]), list(FORMATS)
    assert case(7, 1, corpus, formats) == case(7, 1, list(corpus), list(formats))
    assert len({case(n, 1, corpus, formats).raw for n in range(50)}) > 40


@pytest.mark.parametrize("form", FORMATS)
def test_12_mutated_files_of_each_format_are_read_or_refused(tmp_path, form):
    corpus = [one for one in made().items() if one[0].removesuffix(".gz").endswith(FORMATS[form].suffixes)]
    for number in range(12):
        read(case(number, 1, corpus or seeds([]), [form]), tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_ten_minutes_of_mutated_files_bring_no_crash_no_hang_and_no_growth(data):
    folders = [Path(data) / "warc", Path(data) / "formats"]
    count, findings, most = fuzz(600, 1, folders, list(FORMATS))
    assert findings == []
    assert count > 1_000
    assert most < 1_500
