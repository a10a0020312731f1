"""Every format that tokens can be converted to, by the name that `--format` and the manifest say."""

from corpus.formats.base import Format
from corpus.formats.ds import Ds
from corpus.formats.litdata import LitData
from corpus.formats.llmc import LlmC
from corpus.formats.mds import Mds
from corpus.formats.olmo import Olmo
from corpus.formats.parquet_ids import ParquetIds

FORMATS: dict[str, Format] = {f.name: f for f in (LlmC(), Ds(), Mds(), LitData(), Olmo(), ParquetIds())}

NATIVE = "megatron"
"""What a run writes, and what a manifest of token shards says without words: corpus/tokens.py."""
