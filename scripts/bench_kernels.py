"""MB of text a CPU-second, one core: the word pass, hashes, measures and keys, on real text found on this machine.

    python scripts/bench_kernels.py            # ../shared/data/corpus or else Python's own library
    python scripts/bench_kernels.py FOLDER     # *.jsonl.zst, *.jsonl.gz with a field `text`, or *.py

The median of nine runs after one that compiles. Words are counted once; measures are timed without them.
"""

import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from unittest import mock

import orjson
import pyarrow as pa

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from corpus.buffers import total_bytes  # noqa: E402
from corpus.classes import classes, folds  # noqa: E402
from corpus.documents import Batch  # noqa: E402
from corpus.hashing import digest128, hash64  # noqa: E402
from corpus.readers import jsonl  # noqa: E402
from corpus.source import Extent, Source, Unit  # noqa: E402
from corpus.word_hashes import word_hashes  # noqa: E402
from corpus.words import Words, words  # noqa: E402
from stages import measures  # noqa: E402
from stages.exact import Exact  # noqa: E402
from stages.gopher_quality import GopherQuality  # noqa: E402
from stages.minhash import MinHash  # noqa: E402
from stages.normalisation import DATATROVE, PLAIN, normalised  # noqa: E402
from stages.shingles import char_shingles, datatrove_shingles, ngrams, shingles  # noqa: E402
from stages.signatures import SCHEMES, bands, signatures  # noqa: E402

RUNS = 9
NGRAM, CHARS, BANDS, PLACES = 5, 24, 14, 112  # words (FineWeb) and characters (NeMo) a shingle; FineWeb's 14 x 8
MOST = 32_000_000  # bytes of text: seconds, not minutes
SETS = (
    "books__english*",
    "web__*",
    "multilingual__*",
)  # of ../shared/data/corpus: prose, pages, 29 languages


def seconds(function: Callable[[], object]) -> float:
    """CPU-seconds of one call, the median of RUNS."""
    function()
    taken = []
    for _ in range(RUNS):
        start = time.process_time()
        function()
        taken.append(time.process_time() - start)
    return median(taken)


def texts(path: Path) -> list[str]:
    """The texts of one file."""
    if path.suffix == ".py":
        return [path.read_text(encoding="utf-8", errors="replace")]
    with pa.input_stream(str(path), compression="zstd" if path.suffix == ".zst" else "gzip") as raw:
        return [orjson.loads(line)["text"] for line in raw.read().splitlines()]


def collection(paths: list[Path]) -> pa.Array:
    """Texts of files in order of name, up to MOST bytes or one file more."""
    found: list[str] = []
    size = 0
    for path in sorted(paths):
        if size < MOST:
            found += (fresh := texts(path))
            size += sum(map(len, fresh))
    return pa.array(found, pa.large_string())


def collections() -> dict[str, pa.Array]:
    """Name -> texts: the folder asked for, the shared corpus, or Python's library."""
    shared = ROOT / "../shared/data/corpus"
    if len(sys.argv) > 1:
        folder = Path(sys.argv[1])
        return {folder.name: collection([p for end in ("zst", "gz", "py") for p in folder.glob(f"*.{end}")])}
    if shared.is_dir():
        return {name.partition("__")[0]: collection(list(shared.glob(name))) for name in SETS}
    return {"python": collection(list(Path(sysconfig.get_paths()["stdlib"]).glob("*.py")))}


def timings(text: pa.Array) -> dict[str, float]:
    """CPU-seconds of each kernel over all of `text`."""
    ids = pa.array([str(n) for n in range(len(text))])
    rows = pa.record_batch([ids, text], names=["id", "text"])
    batch = Batch(rows)
    found = batch.words

    def gopher() -> object:
        fresh = Batch(rows)
        fresh.words = found  # the pass is timed by itself
        return GopherQuality().annotate(fresh)

    walks = {walk.__name__: walk.__wrapped__ for walk in (measures.sums, measures.marks, measures.lines)}
    return {
        "words": seconds(lambda: words(text)),
        "hash64": seconds(lambda: hash64(text, 0)),
        "digest128": seconds(lambda: digest128(text)),
        **{f"measures.{name}": seconds(lambda walk=walk: walk(batch)) for name, walk in walks.items()},
        "gopher_quality beyond words": seconds(gopher),
        **reading(text),
        **keys(text, found),
        "minhash keys beyond words": seconds(lambda: MinHash().emit(batch)),
        "exact keys": seconds(lambda: Exact().emit(Batch(rows))),
    }


def reading(text: pa.Array) -> dict[str, float]:
    """CPU-seconds to read the texts from a file of JSON lines: by plain lines, and each through orjson."""
    with tempfile.NamedTemporaryFile(suffix=".jsonl") as file:
        for n, one in enumerate(text.to_pylist()):
            file.write(orjson.dumps({"id": str(n), "text": one}) + b"\n")
        file.flush()
        unit = Unit(0, "jsonl", (Extent(file.name, "f", 0, file.tell()),), "key", file.tell())
        taken = {"jsonl": seconds(lambda: sum(len(r.rows) for r in jsonl.records(unit, Source(path=file.name))))}
        with mock.patch.object(jsonl, "reads", return_value=False):
            slow = seconds(lambda: sum(len(r.rows) for r in jsonl.records(unit, Source(path=file.name))))
        return taken | {"jsonl by orjson": slow}


def keys(text: pa.Array, found: Words) -> dict[str, float]:
    """CPU-seconds from text to signatures of FineWeb's 112 places: whole, then step by step."""
    simple, grams = normalised(text, DATATROVE), shingles(found, NGRAM)
    signed = signatures(*grams, "affine32", PLACES, 1)
    return {
        "text to signatures": seconds(lambda: signatures(*ngrams(*word_hashes(text), NGRAM), "affine32", PLACES, 1)),
        "word_hashes": seconds(lambda: word_hashes(text)),
        "normalised": seconds(lambda: normalised(text, PLAIN)),
        "shingles": seconds(lambda: shingles(found, NGRAM)),
        "shingles.char": seconds(lambda: char_shingles(text, CHARS)),
        "shingles.datatrove": seconds(lambda: datatrove_shingles(simple, NGRAM)),
        **{f"signatures.{s}": seconds(lambda s=s: signatures(*grams, s, PLACES, 1)) for s in SCHEMES},
        "bands": seconds(lambda: bands(signed, BANDS)),
    }


def main() -> None:
    """Print the table."""
    start = time.process_time()
    classes(), folds()
    print(f"tables load in {(time.process_time() - start) * 1000:.1f} ms")
    for name, text in collections().items():
        size = total_bytes(text)
        print(f"\n{name}: {len(text):,} documents, {size / 1e6:.1f} MB, {len(words(text).starts):,} words")
        for kernel, taken in timings(text).items():
            print(f"  {kernel:<28} {size / taken / 1e6:8,.0f} MB/s {len(text) / taken:14,.0f} documents/s")


if __name__ == "__main__":
    main()
