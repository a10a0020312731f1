"""A web server that gives an archive byte by byte: the reader gives it up in bounded time and names it."""

import gzip
import random
import time

import pytest

from corpus.errors import SourceError
from corpus.readers import records
from corpus.source import Source
from corpus.units import units
from tests.corpus.archive_files import page
from tests.storage.servers import Trouble, files, served

pytest.importorskip("aiohttp", reason="aiohttp is not installed: pip install 'winnow[http]'")


def test_an_archive_that_drips_is_given_up_in_seconds_and_named(impatient):
    noise = random.Random(1)
    raw = b"".join(gzip.compress(page(n, b"<p>" + noise.randbytes(20_000))) for n in range(200))
    with served(files({"/a.warc.gz": raw})) as front:
        source = Source(path=f"{front.url}/a.warc.gz")
        cut = units([source], lambda found: "x", 1_000_000)
        assert sum(piece.rows.num_rows for unit in cut for piece in records(unit, source)) == 200
        front.troubles = [Trouble("GET .*bytes=[1-9]", "drip", 10_000)]
        began = time.monotonic()
        with pytest.raises(SourceError, match=f"{front.url}/a.warc.gz: no answer"):
            list(records(cut[2], source))
        assert time.monotonic() - began < 60  # 7 requests of 0.3 s: dripping to the end would take 15 hours
