"""The demo's text, found on whatever machine runs these tests."""

import gzip
from collections import Counter
from pathlib import Path

import pytest

from corpus.errors import SourceError
from corpus.source import Source
from corpus.storage import glob
from corpus.units import matched
from pipeline.demo import SHARES, _fitting, _text_bytes, found_text, recipe
from pipeline.recipe import parse


@pytest.fixture(scope="module")
def sources() -> list[dict]:
    return found_text()


@pytest.fixture(scope="module")
def documents(sources) -> dict[str, dict[str, bytes]]:
    """Domain -> URL -> content."""
    found = {s["domain"]: [one.url for one, _, _ in matched(Source(**s))] for s in sources}
    return {domain: {url: content(url) for url in urls} for domain, urls in found.items()}


def content(url: str) -> bytes:
    raw = Path(url).read_bytes()
    return gzip.decompress(raw) if url.endswith(".gz") else raw


def total(documents: dict[str, bytes]) -> int:
    return sum(map(len, documents.values()))


def test_the_recipe_is_one(sources):
    read = parse(recipe())
    assert [s.domain for s in read.sources] == [s["domain"] for s in sources]
    assert [stage.name for stage in read.stages] == ["gopher_quality", "exact", "minhash"]
    assert (read.tokens.tokenizer, read.tokens.vocab) == ("train", 8192)


def test_the_same_machine_gives_the_same_list(sources):
    assert found_text() == sources


def test_there_are_30_to_45_megabytes_and_most_of_it_is_code(documents):
    assert 30e6 <= sum(map(total, documents.values())) <= 45e6
    assert total(documents["code"]) >= 0.5 * sum(map(total, documents.values()))
    assert {"code", "docs", "licences"} <= set(documents)  # manuals only where they are installed


def test_no_domain_takes_more_than_its_share(documents):
    for domain, share in SHARES.items():
        assert total(documents.get(domain, {})) <= 1.3 * share * 40e6  # 1.3: gzip sizes are estimated


def test_every_file_is_in_one_domain_and_every_pattern_finds_some(sources, documents):
    assert max(Counter(url for found in documents.values() for url in found).values()) == 1
    for source in sources:
        assert all(glob(pattern) for pattern in source["path"])


def test_fewer_than_one_in_a_hundred_is_unreadable(documents):
    """A run stops at 1 % of bad records: empty, binary, or not UTF-8."""
    contents = [text for found in documents.values() for text in found.values()]
    assert sum(map(unreadable, contents)) < 0.01 * len(contents)


def unreadable(raw: bytes) -> bool:
    try:
        return not raw or "\0" in raw.decode()
    except UnicodeDecodeError:
        return True


def test_licences_hold_exact_copies(documents):
    """What the demo shows of de-duplication does not depend on luck: packages share their licences."""
    texts = list(documents["licences"].values())
    assert len(set(texts)) < len(texts)


def test_a_smaller_limit_is_kept_to():
    found = found_text(limit_mb=5)
    sizes = [one.size for source in found for one, _, _ in matched(Source(**source))]
    assert 3e6 <= sum(sizes) <= 5e6


def test_where_nothing_fits_it_says_where_it_looked():
    with pytest.raises(SourceError, match=r"0\.0001 MB.*/usr/share/doc"):
        found_text(limit_mb=0.0001)


def test_patterns_are_taken_in_order_while_they_fit(tmp_path):
    for name, size in (("a", 50), ("b", 70), ("c", 30), ("d", 5), ("e", 16), ("f", 1)):
        (tmp_path / f"{name}.py").write_bytes(b"x" * size)
    patterns = [f"{tmp_path}/{name}*" for name in "abcdefg"]
    assert _fitting(patterns, 100, least=10) == (
        [patterns[0], patterns[2], patterns[4]],
        96,
    )  # then 95 % are full
    assert _fitting(patterns, 100, least=10, largest=40) == ([patterns[2], patterns[4]], 46)
    assert _fitting([f"{tmp_path}/absent/*"], 100, least=1) == ([], 0)
    (tmp_path / "z.gz").write_bytes(b"x" * 10)
    assert _text_bytes(f"{tmp_path}/z*") == 30
