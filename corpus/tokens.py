"""Token shards at rest: Megatron-LM's `.bin` + `.idx`. What a folder of them holds says corpus/manifest.py.

`.bin` is the tokens of a shard's documents end to end; `.idx` says where each begins, and is written last, so
a shard that has one is whole. `<name>.rows.parquet` leads back to the corpus: which row, which id.
Layout: IndexedDataset of Megatron-Core (megatron/core/datasets/indexed_dataset.py); docs/reference/tokens.md.
"""

import hashlib
import re
import struct
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from corpus import shards
from corpus.errors import ShardError
from corpus.manifest import PATH, Checksums, Manifest, ShardEntry, digest, manifest_of, read_manifest
from corpus.storage import filesystem, is_local, join, opened, read_bytes, whole, write_bytes

_MAGIC = b"MMIDIDX\x00\x00"
_HEADER = struct.Struct("<9sQBQQ")  # magic, version, dtype code, sequences, documents + 1: 34 bytes
_VERSION = 1
_CODES: dict[int, np.dtype] = {8: np.dtype("<u2"), 4: np.dtype("<i4")}  # of Megatron's ten, what token ids need
_LONGEST = np.iinfo(np.int32).max  # tokens in a document: lengths are int32


class Origin(NamedTuple):
    """Where the documents of a token shard come from: a corpus shard, and their rows and ids in it."""

    shard: str
    rows: np.ndarray  # int64 [N]
    ids: pa.Array  # string [N]


@dataclass(frozen=True)
class TokenShard:
    """Documents as tokens; `ids` is memory-mapped where the file is local."""

    url: str  # without suffix
    starts: np.ndarray  # int64 [N + 1], tokens
    ids: np.ndarray  # uint16 or int32 [T]

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def lengths(self) -> np.ndarray:
        """Tokens per document: int64 [N]."""
        return np.diff(self.starts)

    def document(self, n: int) -> np.ndarray:
        """The tokens of the n-th document, a view; IndexError past the last."""
        if not 0 <= n < len(self):
            raise IndexError(f"{self.url} holds {len(self):,} documents, asked for number {n:,}")
        return self.ids[self.starts[n] : self.starts[n + 1]]


def domain_folder(domain: str) -> str:
    """A folder name for a domain: itself where that is safe on every file system, else a slug and a hash.

    Lower case only, for two domains must not meet on a file system that ignores case; a name that ends
    like our own hash gets one too. 48 bits: a million altered domains meet with chance 0.002.
    """
    safe = re.fullmatch(r"[a-z0-9]([a-z0-9._-]{0,46}[a-z0-9])?", domain)
    if safe and not re.search(r"-[0-9a-f]{12}$", domain):
        return domain
    slug = re.sub(r"[^a-z0-9]+", "-", domain.lower())[:32].strip("-")
    return f"{slug or 'domain'}-{digest(domain.encode('utf-8', 'surrogatepass'))[:12]}"


def write_shard(
    folder: str,
    name: str,
    lengths: np.ndarray,
    ids: np.ndarray,
    dtype: np.dtype,
    *,
    domain: str,
    text_bytes: int,
    origin: Origin,
) -> ShardEntry:
    """Write documents as `folder/name`.bin, .idx and .rows.parquet; returns their line of the manifest.

    name: may hold folders ("code/00003"). lengths: int64 [N], tokens per document. ids: [sum of lengths].
    text_bytes: UTF-8 bytes the tokens were made of. ShardError where these do not fit together or `dtype`.
    """
    _refuse_misfits(name, lengths, ids, np.dtype(dtype), origin)
    url, flat = join(folder, name), np.ascontiguousarray(ids, dtype)
    rows = {"row": pa.array(origin.rows, pa.int64()), "id": origin.ids.cast(pa.string())}
    shards.write(f"{url}.rows.parquet", pa.table(rows))
    content, index = flat.view(np.uint8).data, _index(lengths, flat.dtype)
    with whole(f"{url}.bin") as file:
        file.write(content)
    write_bytes(f"{url}.idx", index)
    return ShardEntry(
        path=name,
        domain=domain,
        documents=len(lengths),
        tokens=len(flat),
        bytes=text_bytes,
        max_id=int(flat.max()) if len(flat) else -1,
        checksums=Checksums(bin=digest(content), idx=digest(index), rows=_file_digest(f"{url}.rows.parquet")),
        source=origin.shard,
    )


def _refuse_misfits(name: str, lengths: np.ndarray, ids: np.ndarray, dtype: np.dtype, origin: Origin) -> None:
    def refuse(why: str) -> None:
        raise ShardError(f"token shard {name!r} was not written: {why}")

    if not re.fullmatch(PATH, name):
        refuse("a name is letters, digits, '.', '_' and '-', each part beginning with a letter or digit")
    if dtype not in _CODES.values():
        refuse(f"dtype {dtype} was asked for, there are uint16 and int32")
    if not len(lengths) == len(origin.rows) == len(origin.ids):
        refuse(f"{len(lengths):,} lengths came with {len(origin.rows):,} rows and {len(origin.ids):,} ids")
    if len(lengths) and not 0 <= lengths.min() <= lengths.max() <= _LONGEST:
        refuse(f"documents have {lengths.min():,} to {lengths.max():,} tokens, 0 to {_LONGEST:,} fit")
    if lengths.sum() != len(ids):
        refuse(f"its documents have {lengths.sum():,} tokens by their lengths, {len(ids):,} ids were given")
    if len(ids) and not 0 <= ids.min() <= ids.max() <= np.iinfo(dtype).max:
        refuse(f"ids run from {ids.min():,} to {ids.max():,}, {dtype} holds 0 to {np.iinfo(dtype).max:,}")


def _index(lengths: np.ndarray, dtype: np.dtype) -> bytes:
    """The `.idx` of documents that are one sequence each."""
    code = next(code for code, known in _CODES.items() if known == dtype)
    pointers = _starts(lengths)[:-1] * dtype.itemsize
    header = _HEADER.pack(_MAGIC, _VERSION, code, len(lengths), len(lengths) + 1)
    bounds = np.arange(len(lengths) + 1, dtype="<i8")
    return header + lengths.astype("<i4").tobytes() + pointers.astype("<i8").tobytes() + bounds.tobytes()


def _starts(lengths: np.ndarray) -> np.ndarray:
    return np.concatenate(([0], np.cumsum(lengths, dtype=np.int64)))


def read_shard(url: str, verify: ShardEntry | None = None) -> TokenShard:
    """The shard at `url` (without suffix). ShardError where it is missing, damaged, or not one of ours.

    verify: its line of the manifest; then counts and the checksums of `.bin` and `.idx` must agree as well.
    Megatron files with several sequences a document, or other dtypes, are refused: Winnow writes none.
    """
    index, content = _mapped(f"{url}.idx"), _mapped(f"{url}.bin")
    dtype, starts = _parsed(f"{url}.idx", index)
    if starts[-1] * dtype.itemsize != len(content):
        raise ShardError(
            f"{url}.bin: {len(content):,} bytes, its index says {starts[-1] * dtype.itemsize:,}; "
            f"was it cut short? Remove both and run again."
        )
    shard = TokenShard(url, starts, content.view(dtype))
    if verify is not None:
        _verify(shard, verify, digest(index.data), digest(content.data))
    return shard


def _parsed(url: str, index: np.ndarray) -> tuple[np.dtype, np.ndarray]:
    """The dtype of the ids and the documents' starts int64 [N + 1], once every field has been checked."""
    if len(index) < _HEADER.size or bytes(index[:9]) != _MAGIC:
        raise ShardError(f"{url}: not a Megatron index: it begins with {bytes(index[:9])!r}, not {_MAGIC!r}")
    _, version, code, sequences, documents = _HEADER.unpack(bytes(index[: _HEADER.size]))
    if version != _VERSION or code not in _CODES or documents != sequences + 1:
        raise ShardError(
            f"{url}: version {version}, dtype code {code}, {sequences:,} sequences in {documents - 1:,} "
            f"documents; Winnow reads version {_VERSION}, codes 8 and 4, one sequence a document"
        )
    size = _HEADER.size + 12 * sequences + 8 * documents  # Python integers: a damaged count cannot overflow
    if size != len(index):
        raise ShardError(f"{url}: {len(index):,} bytes, {size:,} by its header; was it cut short?")
    body = bytes(index[_HEADER.size :])  # copied, for the header's 34 bytes leave numbers unaligned
    lengths = np.frombuffer(body, "<i4", sequences)
    pointers = np.frombuffer(body, "<i8", sequences, 4 * sequences)
    bounds = np.frombuffer(body, "<i8", documents, 12 * sequences)
    starts = _starts(lengths)
    steps = np.array_equal(pointers, starts[:-1] * _CODES[code].itemsize)
    if not steps or not np.array_equal(bounds, np.arange(documents)) or lengths.min(initial=0) < 0:
        raise ShardError(f"{url}: lengths, pointers and documents contradict each other; run again to rebuild it")
    return _CODES[code], starts


def _mapped(url: str) -> np.ndarray:
    """The file's bytes: uint8, mapped where local."""
    try:
        if not is_local(url):
            return np.frombuffer(read_bytes(url), np.uint8)
        with open(filesystem(url)[1], "rb") as file:  # an empty file cannot be mapped
            return np.memmap(file, np.uint8, "r") if file.seek(0, 2) else np.zeros(0, np.uint8)
    except FileNotFoundError as error:
        raise ShardError(f"{url}: not there; was it removed by hand? Run again to rebuild it.") from error


def _verify(shard: TokenShard, entry: ShardEntry, idx: str, bin: str) -> None:
    if (len(shard), len(shard.ids)) != (entry.documents, entry.tokens):
        raise ShardError(
            f"{shard.url}: {len(shard):,} documents and {len(shard.ids):,} tokens, "
            f"the manifest says {entry.documents:,} and {entry.tokens:,}"
        )
    for suffix, found, asked in ((".idx", idx, entry.checksums.idx), (".bin", bin, entry.checksums.bin)):
        if found != asked:
            raise ShardError(f"{shard.url}{suffix}: BLAKE2b-128 {found}, not {asked}: it was altered")


def check(manifest_url: str) -> Manifest:
    """The manifest, once every shard it names was read in full and agrees; ShardError names the first misfit.

    Checked: sizes, checksums, counts, ids below the vocabulary, one end token closing each document and
    none within, a row for each document, and totals that are the sum of their shards.
    """
    manifest = read_manifest(manifest_url)
    folder = manifest_url.rpartition("/")[0] or "."
    for entry in manifest.shards:
        _check_shard(join(folder, entry.path), entry, manifest)
    if manifest != manifest_of(manifest.tokenizer, manifest.shards):
        raise ShardError(f"{manifest_url}: its totals are not the sums of its shards; was it edited by hand?")
    return manifest


def _check_shard(url: str, entry: ShardEntry, manifest: Manifest) -> None:
    shard, card = read_shard(url, verify=entry), manifest.tokenizer
    if shard.ids.dtype != np.dtype(manifest.dtype):
        raise ShardError(f"{url}.bin: ids are {shard.ids.dtype}, the manifest says {manifest.dtype}")
    low, high = int(shard.ids.min(initial=0)), int(shard.ids.max()) if len(shard.ids) else -1
    if high != entry.max_id or high >= card.vocab or low < 0:
        raise ShardError(
            f"{url}.bin: ids run from {low:,} to {high:,}; the manifest says {entry.max_id:,}, "
            f"and {card.file} has ids below {card.vocab:,}"
        )
    lasts, ends = shard.starts[1:] - 1, np.flatnonzero(shard.ids == card.eos_id)
    if not np.array_equal(lasts, ends):
        raise ShardError(
            f"{url}.bin: {len(ends):,} end tokens {card.eos_text} (id {card.eos_id}) do not stand, one each, "
            f"at the ends of {len(lasts):,} documents"
        )
    if _file_digest(f"{url}.rows.parquet") != entry.checksums.rows:
        raise ShardError(f"{url}.rows.parquet: its checksum is not the manifest's; it was altered")
    if shards.rows(f"{url}.rows.parquet") != entry.documents:
        raise ShardError(f"{url}.rows.parquet: not one row for each of {entry.documents:,} documents")


def _file_digest(url: str) -> str:
    try:
        with opened(url) as file:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()  # type: ignore[arg-type]
    except FileNotFoundError as error:
        raise ShardError(f"{url}: not there; was it removed by hand? Run again to rebuild it.") from error
