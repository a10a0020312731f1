"""URL rules: each rule on an address that only it drops, and the kernel against the slow reading of addresses."""

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.documents import Batch
from corpus.errors import RecipeError, StageError
from corpus.urls import bare, complete, domains, parse
from stages import url as module
from stages.url import REASONS, UrlRules
from stages.url_lists import listed
from stages.url_walk import Places, found_places

DATA = Path(__file__).parents[2] / "../shared/data"


def judged(urls, stage, column="url"):
    rows = pa.record_batch([pa.array(urls, pa.string())], names=[column])
    return stage.checked(stage.annotate(Batch(rows)), len(urls))


def verdicts(urls, stage):
    table = judged(urls, stage)
    return list(zip(table["drop"].to_pylist(), table["url_entry"].to_pylist(), strict=True))


@pytest.fixture
def lists(tmp_path):
    """A folder in UT1's layout, and word files, made for the tests."""
    (tmp_path / "ut1" / "bad").mkdir(parents=True)
    (tmp_path / "ut1" / "worse").mkdir()
    (tmp_path / "ut1" / "bad" / "domains").write_text(
        "# comment\nbad.com\nWWW.Worse.org\nb.deep.net\n10.1.2.3\nbücher.de\n"
    )
    (tmp_path / "ut1" / "bad" / "urls").write_text("shared.host/~bad\nshared.host/x?b=2&a=1\n")
    (tmp_path / "ut1" / "worse" / "domains.gz").write_bytes(gzip.compress(b"packed.com\n"))
    for name, words in (
        ("words", "foul\nVery-Foul\n"),
        ("soft_words", "mild\nweak\nfaint\n"),
        ("subwords", "inside\nout side\n"),
    ):
        (tmp_path / name).write_text(words)
    return tmp_path


@pytest.fixture
def rules(lists):
    files = {name: str(lists / name) for name in ("words", "soft_words", "subwords")}
    return UrlRules(lists=str(lists / "ut1"), categories=("bad", "worse"), **files)


@pytest.mark.parametrize(
    ("url", "reason", "entry"),
    [
        ("http://good.com/page", None, None),
        ("http://bad.com/page", "domain", "bad.com"),
        ("https://WWW.BAD.com.:8080/", "domain", "bad.com"),
        ("http://user@bad.com", "domain", "bad.com"),
        ("http://bad.com@good.com/", None, None),
        ("bad.com/page", "domain", "bad.com"),
        ("http://worse.org", "domain", "worse.org"),
        ("http://a.b.bad.com/", "subdomain", "bad.com"),
        ("http://notbad.com/", None, None),
        ("http://deep.net/", None, None),
        ("http://a.b.deep.net/", "subdomain", "b.deep.net"),
        ("http://packed.com", "domain", "packed.com"),
        ("http://10.1.2.3/", "domain", "10.1.2.3"),
        ("http://0x0a.1.2.3/", "domain", "10.1.2.3"),
        ("http://1.10.1.2.3/", None, None),
        ("http://xn--bcher-kva.de/", "domain", "xn--bcher-kva.de"),
        ("http://BÜCHER.de/", "domain", "xn--bcher-kva.de"),
        ("https://www.shared.host/~bad/#top", "url", "shared.host/~bad"),
        ("http://shared.host/%7Ebad", "url", "shared.host/~bad"),
        ("http://shared.host/x?a=1&b=2&utm_source=y", "url", "shared.host/x?a=1&b=2"),
        ("http://shared.host/~bad/more", None, None),
        ("http://other.host/~bad", None, None),
        ("http://a.com/so-FOUL_thing", "word", "foul"),
        ("http://a.com/so%2Dfo%75l", "word", "foul"),
        ("http://a.com/veryfoul", "word", "veryfoul"),
        ("http://a.com/foully", None, None),
        ("http://mild.com/weak", "soft_words", "mild"),
        ("http://mild.com/mild/mild", None, None),
        ("http://a.com/whatisinsidehere", "subword", "inside"),
        ("http://a.com/in/si-de", "subword", "inside"),
        ("http://a.com/out/side", "subword", "outside"),
        (None, None, None),
        ("", None, None),
        ("no address at all", None, None),
    ],
)
def test_each_rule_and_its_near_misses(rules, url, reason, entry):
    assert verdicts([url], rules) == [(reason, entry)]


def test_the_first_rule_is_the_reason(rules):
    urls = [
        "http://bad.com/foul-mild-weak-inside",
        "http://x.bad.com/foul",
        "http://shared.host/~bad?",
        "http://a.com/foul-mild-weak",
        "http://a.com/mild-weak-inside",
        "http://a.com/inside",
    ]
    assert [reason for reason, _ in verdicts(urls, rules)] == list(REASONS)


def test_values_and_counts(rules):
    table = judged(
        ["http://mild.com/weak/faint", "http://bad.com/mild", None, "http://mild.com", "mailto:x@bad.com"], rules
    )
    assert table["value"].to_pylist() == [3, 1, None, None, None]
    assert table["url_soft_words"].to_pylist() == [3, 1, 0, 1, 0]
    assert table["url_read"].to_pylist() == [True, True, False, True, False]


def test_more_soft_words_can_be_asked(lists):
    stage = UrlRules(soft_words=str(lists / "soft_words"), min_soft_words=3)
    assert [r for r, _ in verdicts(["http://mild.com/weak", "http://mild.com/weak/faint"], stage)] == [
        None,
        "soft_words",
    ]


def test_the_bundled_words_leave_harmless_addresses():
    """Places and words that hold short banned ones: Essex, peacock, analysis, Scunthorpe."""
    kept = [
        "https://www.essex.gov.uk/sussex",
        "https://peacock.org/analysis",
        "https://scunthorpe.co.uk/",
        "https://en.wikipedia.org/wiki/Sex",
        "https://example.com/free-shipping",
        "https://titanic.org/assassin",
        "https://news.com/grape-harvest-cumbria-cocktail",
    ]
    dropped = ["http://xxx.com/", "http://a.com/free-sex", "http://freepornsite.com/", "http://a.com/hot_NUDE_girls"]
    assert [reason for reason, _ in verdicts(kept, UrlRules())] == [None] * len(kept)
    assert None not in [reason for reason, _ in verdicts(dropped, UrlRules())]


HOST = st.lists(
    st.sampled_from(["a", "b", "bad", "com", "www", "x-y", "1", "0x1", "é", ""]), min_size=1, max_size=4
).map(".".join)
ADDRESS = st.builds(
    "{}{}{}{}{}".format,
    st.sampled_from(
        ["http://", "HTTPS://", "http:\\\\", "", " ", "http:/", "ftp://", "mailto:", "http://u@", "http://bad.com:80@"]
    ),
    HOST,
    st.sampled_from(["", ".", ":80", ":"]),
    st.sampled_from(["", "/", "/a%2fb", "?q", "#f", "/@b", "\t/x", "%2e"]),
    st.text(max_size=5),
)


@given(st.lists(st.none() | ADDRESS | st.text(max_size=30), max_size=8))
def test_hosts_are_those_that_parse_tells(urls):
    """The kernel's plain path against corpus/urls.py, for every address."""
    places = Places.of(pa.array(urls, pa.string()))
    for n, url in enumerate(urls):
        host = bytes(places.text[places.host_starts[n] : places.host_ends[n]]).decode()
        slow = parse(complete(url)) if url else None
        assert host == (bare(slow.host) if slow else "")
        assert places.read[n] == (slow is not None)


@given(st.lists(ADDRESS, max_size=6), st.lists(HOST, max_size=6))
def test_a_domain_hits_where_a_set_of_endings_says_so(tmp_path_factory, urls, entries):
    folder = tmp_path_factory.mktemp("ut1")
    (folder / "c").mkdir()
    (folder / "c" / "domains").write_text("\n".join(entries))
    known = {bare(url.host) for entry in entries if (url := parse(f"http://{entry}"))}
    stage = UrlRules(lists=str(folder), categories=("c",))
    for url, (reason, entry) in zip(urls, verdicts(urls, stage), strict=True):
        read = parse(complete(url))
        hits = [d for d in domains(bare(read.host)) if d in known] if read else []
        assert (entry if reason in ("domain", "subdomain") else None) == (hits[0] if hits else None)
        assert (reason == "domain") == bool(hits and hits[0] == bare(read.host))


@given(st.lists(st.text("ab", max_size=4), max_size=30), st.text("ab", max_size=4))
def test_a_list_holds_what_was_put_in(strings, other):
    known = listed(strings)
    column = pa.array([*strings, other], pa.large_string())
    offsets, data = module.utf8(column)
    held = [at >= 0 for at in found_places(offsets, data, tuple(known)).tolist()]
    assert held == [text != "" and text in strings for text in [*strings, other]]
    assert sorted(known.entry(k) for k in range(len(known.hashes))) == sorted(set(strings) - {""})


@given(st.lists(st.none() | ADDRESS, max_size=8), st.integers(0, 8))
def test_where_a_batch_is_split_changes_nothing(urls, at):
    whole = judged(urls, UrlRules()).to_pylist()
    assert judged(urls[:at], UrlRules()).to_pylist() + judged(urls[at:], UrlRules()).to_pylist() == whole


def test_what_cannot_be_done_is_refused(lists):
    with pytest.raises(StageError, match=r"no column 'url'.*fields: \[url\]"):
        judged(["x"], UrlRules(), column="address")
    assert judged(["http://xxx.com"], UrlRules(url_column="address"), column="address")["drop"].to_pylist() == ["word"]
    assert UrlRules(url_column="address").reads == ("address",)
    with pytest.raises(RecipeError, match="go together"):
        UrlRules(lists="somewhere")
    with pytest.raises(RecipeError, match=r"no category 'none'.*there are: bad, worse"):
        _ = UrlRules(lists=str(lists / "ut1"), categories=("none",)).files
    with pytest.raises(RecipeError, match=r"no category '\.\./ut1/bad'"):
        _ = UrlRules(lists=str(lists / "ut1"), categories=("../ut1/bad",)).files
    with pytest.raises(RecipeError, match="min_soft_words"):
        UrlRules(min_soft_words=0)
    with pytest.raises(RecipeError, match="cannot be read"):
        judged(["http://a.com"], UrlRules(words=str(lists / "absent")))


def test_files_are_what_the_stage_goes_by(rules, lists):
    names = [file.removeprefix(f"{lists}/") for file in rules.files]
    assert names == ["ut1/bad/domains", "ut1/worse/domains.gz", "ut1/bad/urls", "words", "soft_words", "subwords"]
    assert UrlRules().files == ()


def test_hostile_addresses(rules):
    urls = [
        "http://" + "a." * 5_000_000,
        "http://a.com/" + "mild-" * 2_000_000,
        "%" * 1_000_000,
        "http://" + "@" * 100_000,
        "\x00",
    ]
    assert judged(urls, rules)["drop"].to_pylist() == [None] * 5


@pytest.mark.skipif(not DATA.is_dir(), reason="the shared lists are not on this machine")
def test_ut1_lists_drop_their_own_entries(tmp_path):
    """Entries of five real lists, read back as addresses: all but the addresses of broken lines."""
    for file in sorted((DATA / "lists" / "ut1").glob("*.jsonl.gz")):
        category, kind = file.name.split(".")[:2]
        (tmp_path / category).mkdir(exist_ok=True)
        with gzip.open(file, "rt") as lines:
            entries = [json.loads(line)["entry"] for line in lines]
        (tmp_path / category / kind).write_text("\n".join(entries) + "\n")
    stage = UrlRules(lists=str(tmp_path), categories=("adult", "gambling", "malware", "phishing", "warez"))
    entries = [line for file in stage.files for line in Path(file).read_text().split("\n") if line]
    table = judged([f"https://{entry}" for entry in entries], stage)
    reasons = table["drop"].to_pylist()
    assert len(entries) > 9_000
    assert sum(reason in ("domain", "subdomain", "url") for reason in reasons) >= 0.999 * len(entries)
