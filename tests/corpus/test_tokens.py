"""Token shards: what is written reads back, by us and by Megatron's own layout, and damage is named."""

import json
import re
import struct
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus import shards
from corpus.errors import ShardError
from corpus.manifest import Manifest, TokenizerCard, digest, manifest_of, read_manifest, token_dtype, write_manifest
from corpus.tokens import Origin, check, domain_folder, read_shard, write_shard

EOS = 0
REFERENCE = Path(__file__).parents[2] / "docs/reference/tokens.md"


def card(vocab: int = 1000) -> TokenizerCard:
    return TokenizerCard(
        file="tokenizer.json",
        hash=digest(b"{}"),
        vocab=vocab,
        eos_id=EOS,
        eos_text="<|endoftext|>",
        bos_id=None,
        policy="one eos after each document",
    )


def written(folder, documents, name="web/00000", domain="web", dtype=np.uint16):
    lengths = np.array([len(d) for d in documents], np.int64)
    ids = np.array([i for d in documents for i in d], dtype)
    origin = Origin(
        "corpus/0007.parquet",
        np.arange(len(documents)) * 2,
        pa.array([f"d{n}" for n in range(len(documents))]),
    )
    return write_shard(str(folder), name, lengths, ids, dtype, domain=domain, text_bytes=3 * len(ids), origin=origin)


DOCUMENTS = [[5, 6, 7, EOS], [EOS], [999, EOS]]


@pytest.fixture
def manifest_url(tmp_path):
    entries = [written(tmp_path, DOCUMENTS), written(tmp_path, DOCUMENTS[:1], "code/00000", "code")]
    write_manifest(f"{tmp_path}/manifest.json", manifest_of(card(), entries))
    return f"{tmp_path}/manifest.json"


def megatron(url: str) -> tuple[np.dtype, list[np.ndarray], np.ndarray]:
    """An independent reading of .idx and .bin, field by field as Megatron-Core's _IndexReader lays them."""
    raw = Path(f"{url}.idx").read_bytes()
    assert raw[:9] == b"MMIDIDX\x00\x00"
    version, code, sequences, documents = struct.unpack_from("<QBQQ", raw, 9)
    assert version == 1
    dtype = {4: np.dtype(np.int32), 8: np.dtype(np.uint16)}[code]
    sizes = np.frombuffer(raw, np.int32, sequences, 34)
    pointers = np.frombuffer(raw, np.int64, sequences, 34 + sizes.nbytes)
    indices = np.frombuffer(raw, np.int64, documents, 34 + sizes.nbytes + pointers.nbytes)
    assert 34 + sizes.nbytes + pointers.nbytes + indices.nbytes == len(raw)
    tokens = Path(f"{url}.bin").read_bytes()
    return (
        dtype,
        [np.frombuffer(tokens, dtype, n, at) for n, at in zip(sizes, pointers, strict=True)],
        indices,
    )


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.integers(0, 65_535), max_size=20), max_size=20), st.sampled_from(["<u2", "<i4"]))
def test_documents_read_back_by_us_and_by_megatrons_layout(tmp_path_factory, documents, dtype):
    folder = tmp_path_factory.mktemp("t")
    entry = written(folder, documents, dtype=np.dtype(dtype))
    shard = read_shard(f"{folder}/{entry.path}", verify=entry)
    assert [shard.document(n).tolist() for n in range(len(shard))] == documents
    assert shard.ids.dtype == np.dtype(dtype)
    assert shard.lengths.tolist() == [len(d) for d in documents]
    read_dtype, sequences, indices = megatron(f"{folder}/{entry.path}")
    assert (read_dtype, [s.tolist() for s in sequences]) == (np.dtype(dtype), documents)
    assert indices.tolist() == list(range(len(documents) + 1))


def test_the_index_of_two_known_documents_has_these_very_bytes(tmp_path):
    written(tmp_path, [[1, 2, EOS], [EOS]], name="golden")
    assert (tmp_path / "golden.bin").read_bytes().hex() == "0100020000000000"
    assert (tmp_path / "golden.idx").read_bytes().hex() == (
        "4d4d494449445800000100000000000000" + "08" + "0200000000000000" + "0300000000000000"
        "0300000001000000" + "0000000000000000" + "0600000000000000"
        "0000000000000000" + "0100000000000000" + "0200000000000000"
    )


def test_ids_take_two_bytes_up_to_a_vocabulary_of_65536():
    assert [token_dtype(v).str for v in (257, 65_536, 65_537, 200_000)] == ["<u2", "<u2", "<i4", "<i4"]


def test_an_entry_counts_and_leads_back_to_the_corpus(tmp_path):
    entry = written(tmp_path, DOCUMENTS)
    assert (entry.documents, entry.tokens, entry.bytes, entry.max_id) == (3, 7, 21, 999)
    assert entry.source == "corpus/0007.parquet"
    rows = shards.read(f"{tmp_path}/web/00000.rows.parquet").to_pydict()
    assert rows == {"row": [0, 2, 4], "id": ["d0", "d1", "d2"]}


def test_the_same_documents_make_the_same_bytes(tmp_path):
    one, two = written(tmp_path / "a", DOCUMENTS), written(tmp_path / "b", DOCUMENTS)
    assert one == two
    write_manifest(f"{tmp_path}/1.json", manifest_of(card(), [one, written(tmp_path, DOCUMENTS, "a/0", "a")]))
    write_manifest(f"{tmp_path}/2.json", manifest_of(card(), [written(tmp_path, DOCUMENTS, "a/0", "a"), one]))
    assert (tmp_path / "1.json").read_bytes() == (tmp_path / "2.json").read_bytes()


def test_shards_live_on_any_file_system():
    entry = written("memory://tokens-test", DOCUMENTS)
    shard = read_shard("memory://tokens-test/web/00000", verify=entry)
    assert [shard.document(n).tolist() for n in range(3)] == DOCUMENTS
    write_manifest("memory://tokens-test/manifest.json", manifest_of(card(), [entry]))
    assert check("memory://tokens-test/manifest.json").documents == 3


def test_local_ids_are_mapped_and_past_the_last_document_is_an_error(tmp_path):
    shard = read_shard(f"{tmp_path}/{written(tmp_path, DOCUMENTS).path}")
    assert isinstance(shard.ids, np.memmap)
    for n in (3, -1):
        with pytest.raises(IndexError, match="3 documents"):
            shard.document(n)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"ids": np.array([1, 70_000])}, "70,000"),
        ({"ids": np.array([-1, 2])}, "-1"),
        ({"ids": np.array([1, 2, 3])}, "3 ids were given"),
        ({"lengths": np.array([3, -1])}, "-1"),
        ({"lengths": np.array([2])}, "1 lengths"),
        ({"name": "../web"}, "a name is"),
        ({"name": "/web"}, "a name is"),
        ({"name": "a//b"}, "a name is"),
        ({"name": "web\n"}, "a name is"),
        ({"dtype": np.int64}, "int64"),
    ],
)
def test_misfits_are_refused_and_nothing_is_written(tmp_path, change, said):
    given = {"name": "web", "lengths": np.array([1, 1]), "ids": np.array([1, 2]), "dtype": np.uint16} | change
    origin = Origin("s", np.arange(2), pa.array(["a", "b"]))
    with pytest.raises(ShardError, match=re.escape(said)):
        write_shard(str(tmp_path), **given, domain="web", text_bytes=0, origin=origin)
    assert not list(tmp_path.rglob("*"))


# Damage


def test_every_single_flipped_byte_is_found(tmp_path, manifest_url):
    for path in sorted(tmp_path.rglob("*.bin")) + sorted(tmp_path.rglob("*.idx")) + sorted(tmp_path.rglob("*.parquet")):
        content = path.read_bytes()
        for at in range(0, len(content), max(1, len(content) // 60)):
            path.write_bytes(content[:at] + bytes([content[at] ^ 0x10]) + content[at + 1 :])
            with pytest.raises(ShardError, match=re.escape(path.with_suffix("").name)):
                check(manifest_url)
        path.write_bytes(content)
    assert check(manifest_url).tokens == 11


@pytest.mark.parametrize("suffix", [".bin", ".idx", ".rows.parquet"])
def test_cut_short_longer_or_missing_is_named(tmp_path, manifest_url, suffix):
    path = tmp_path / f"web/00000{suffix}"
    content = path.read_bytes()
    for other in (content[:-1], content[:10], b"", content + b"\0"):
        path.write_bytes(other)
        with pytest.raises(ShardError, match=re.escape(path.name)):
            check(manifest_url)
    path.unlink()
    with pytest.raises(ShardError, match=re.escape(f"{path.name}: not there")):
        check(manifest_url)


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_an_index_of_any_bytes_is_an_error_and_never_a_crash(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("t")
    written(folder, DOCUMENTS, name="x")
    good = (folder / "x.idx").read_bytes()
    head = data.draw(st.sampled_from([0, 9, 17, 18, 26, 34, 46]))
    bad = good[:head] + data.draw(st.binary(max_size=120))
    (folder / "x.idx").write_bytes(bad)
    if bad != good:
        with pytest.raises(ShardError):
            read_shard(f"{folder}/x")


def test_an_index_that_says_something_else_than_the_manifest_is_named(tmp_path, manifest_url):
    written(tmp_path, [*DOCUMENTS, [EOS]])
    with pytest.raises(ShardError, match="4 documents and 8 tokens, the manifest says 3 and 7"):
        check(manifest_url)


def test_a_manifest_that_does_not_fit_its_shards_is_refused(tmp_path):
    def refused(entries, said, vocab=1000):
        write_manifest(f"{tmp_path}/manifest.json", manifest_of(card(vocab), entries))
        with pytest.raises(ShardError, match=said):
            check(f"{tmp_path}/manifest.json")

    good = written(tmp_path, DOCUMENTS)
    refused([good], "ids below 999", vocab=999)
    refused([good.model_copy(update={"max_id": 5})], "manifest says 5")
    refused([good], "ids are uint16, the manifest says int32", vocab=70_000)
    refused([written(tmp_path, [[5, EOS], [7]], "no-end")], "1 end tokens .* 2 documents")
    refused([written(tmp_path, [[EOS, 5, EOS]], "two-ends")], "2 end tokens .* 1 documents")
    refused([written(tmp_path, [[5, EOS], []], "nothing")], "1 end tokens .* 2 documents")


def test_totals_that_are_no_sums_are_refused(tmp_path, manifest_url):
    plain = json.loads(Path(manifest_url).read_text())
    plain["domains"]["web"]["tokens"] += 1
    Path(manifest_url).write_text(json.dumps(plain))
    with pytest.raises(ShardError, match="not the sums"):
        check(manifest_url)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": "winnow-tokens/2"}, "format"),
        ({"tokens": "11"}, "tokens"),
        ({"surprise": 1}, "surprise"),
        ({"dtype": "float16"}, "dtype"),
    ],
)
def test_a_manifest_out_of_schema_is_refused_by_field(manifest_url, change, said):
    Path(manifest_url).write_text(json.dumps(json.loads(Path(manifest_url).read_text()) | change))
    with pytest.raises(ShardError, match=f"manifest.json: .*{said}"):
        read_manifest(manifest_url)


@pytest.mark.parametrize("path", ["../../etc/passwd", "/etc/passwd", "a/../b", "", "a\\..\\b", "s3://x/y"])
def test_a_manifest_cannot_lead_out_of_its_folder(manifest_url, path):
    plain = json.loads(Path(manifest_url).read_text())
    plain["shards"][0]["path"] = path
    Path(manifest_url).write_text(json.dumps(plain))
    with pytest.raises(ShardError, match="path"):
        check(manifest_url)


def test_a_missing_or_broken_manifest_is_named(tmp_path):
    with pytest.raises(ShardError, match="no manifest there"):
        read_manifest(f"{tmp_path}/manifest.json")
    (tmp_path / "manifest.json").write_bytes(b"{half")
    with pytest.raises(ShardError, match="not a manifest"):
        read_manifest(f"{tmp_path}/manifest.json")


def test_a_manifest_reads_back_as_itself(manifest_url):
    manifest = read_manifest(manifest_url)
    assert manifest_of(manifest.tokenizer, manifest.shards) == manifest
    assert (manifest.tokens, manifest.max_id, list(manifest.domains)) == (11, 999, ["code", "web"])
    assert manifest.domains["web"].model_dump() == {"documents": 3, "tokens": 7, "bytes": 21, "shards": 1}


def test_a_manifest_of_no_shards_is_fine(tmp_path):
    write_manifest(f"{tmp_path}/manifest.json", manifest_of(card(), []))
    assert check(f"{tmp_path}/manifest.json").max_id == -1


# Names of folders


AWKWARD = [
    "",
    ".",
    "..",
    "../x",
    "a/b",
    "A",
    "a",
    "Web",
    "web",
    "web-",
    "é",
    "e",
    "漢字",
    "x" * 300,
    "x" * 301,
    "a b",
    "a\nb",
    "C:",
    "-x",
]


@given(st.lists(st.text(max_size=60) | st.sampled_from(AWKWARD), unique=True, min_size=2, max_size=30))
def test_two_domains_never_share_a_folder_on_any_file_system(domains):
    folders = [domain_folder(d) for d in domains]
    assert len({f.lower() for f in folders}) == len(domains)
    for folder in folders:
        assert re.fullmatch(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?", folder)
        assert len(folder) <= 48


def test_a_plain_domain_is_its_own_folder_and_a_name_like_ours_is_not():
    assert [domain_folder(d) for d in ("web", "gov_web", "example.com", "2024-10")] == [
        "web",
        "gov_web",
        "example.com",
        "2024-10",
    ]
    altered = domain_folder("Web")
    assert re.fullmatch(r"web-[0-9a-f]{12}", altered)
    assert domain_folder(altered) != altered


# The page that documents this


def keys(plain: object) -> object:
    """The keys of nested objects; of a list the keys of its first, and domains count as one."""
    if isinstance(plain, list):
        return keys(plain[0])
    if not isinstance(plain, dict):
        return type(plain).__name__
    return {k: keys(next(iter(v.values())) if k == "domains" else v) for k, v in plain.items()}


def test_the_documented_manifest_is_one_and_has_the_keys_of_a_real_one(manifest_url):
    example = re.search(r"```json\n(.*?)```", REFERENCE.read_text(encoding="utf-8"), re.DOTALL).group(1)
    documented = Manifest.model_validate_json(example)
    assert manifest_of(documented.tokenizer, documented.shards) == documented
    assert documented.shards[0].path == f"{domain_folder(documented.shards[0].domain)}/00000"
    assert keys(json.loads(example)) == keys(json.loads(Path(manifest_url).read_text()))
