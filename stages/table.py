"""Every stage a recipe can name. Adding one is a class in a file of its own and a row here."""

from collections.abc import Iterator, Mapping, MutableMapping
from importlib import import_module

from stages.base import Stage

LOCAL: Mapping[str, str] = {
    "extract": "extract.Extract",
    "url_rules": "url.UrlRules",
    "language": "language.Language",
    "repair": "repair.Repair",
    "gopher_repetition": "gopher_repetition.GopherRepetition",
    "gopher_quality": "gopher_quality.GopherQuality",
    "c4": "c4.C4",
    "fineweb": "fineweb.FineWeb",
    "refinedweb": "refinedweb.RefinedWeb",
    "madlad": "madlad.Madlad",
    "nemo": "nemo.Nemo",
    "data_juicer": "data_juicer.DataJuicer",
    "redpajama": "redpajama.RedPajama",
    "code": "code.Code",
    "bad_words": "bad_words.BadWords",
    "pii": "pii.Pii",
    "quality": "quality.Quality",
    "perplexity": "perplexity.Perplexity",
    "unigram": "unigram.Unigram",
    "embedding_quality": "embedding_quality.EmbeddingQuality",
    "token_count": "token_count.TokenCount",
    "dsir": "dsir.Dsir",
    "embedding": "embedding.Embedding",
    "topic": "topic.Topic",
    "decontaminate": "decontaminate.Decontaminate",
    "datatrove": "interop.Datatrove",
}
GLOBAL: Mapping[str, str] = {
    "exact": "exact.Exact",
    "minhash": "minhash.MinHash",
    "semantic_dedup": "semantic_dedup.SemanticDedup",
    "paragraphs": "paragraphs.Paragraphs",
    "lines": "paragraphs.Lines",
    "substring": "substring.Substring",
    "ngram_bloom": "bloom.NgramBloom",
    "quota": "quota.Quota",
    "buckets": "buckets.Buckets",
}
"""The file and the class of each stage, by its name."""


class _Stages(MutableMapping[str, type[Stage]]):
    """Classes by name, imported when one is asked for: all of them, with what they import, take a CPU second."""

    def __init__(self, rows: Mapping[str, str]) -> None:
        self._rows: dict[str, str | type[Stage]] = dict(rows)

    def __getitem__(self, name: str) -> type[Stage]:
        row = self._rows[name]
        if isinstance(row, str):
            file, _, kind = row.rpartition(".")
            row = self._rows[name] = getattr(import_module(f"stages.{file}"), kind)
        return row

    def __setitem__(self, name: str, stage: type[Stage]) -> None:
        self._rows[name] = stage

    def __delitem__(self, name: str) -> None:
        del self._rows[name]

    def __contains__(self, name: object) -> bool:
        return name in self._rows

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __or__(self, more: Mapping[str, type[Stage]]) -> dict[str, type[Stage]]:
        """All of them, imported, and others beside."""
        return {**self, **more}


TABLE = _Stages({**LOCAL, **GLOBAL})
"""Every stage by its name, those that judge a document alone first, about in the order of a recipe."""
