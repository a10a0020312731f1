"""Content identity of inputs: a hash of the bytes, read again only where size or time stamp moved.

A touched file whose bytes are the same stays the same input; a file changed behind an equal name does not.
"""

from dataclasses import dataclass, field

from corpus.storage import Found, is_local
from corpus.units import content_hash
from pipeline.home import INPUTS, Home


@dataclass
class Inputs:
    """Content hashes remembered in a run's home. Object stores give their own ETag, which is not read again."""

    home: Home | None
    known: dict[str, list[str]] = field(default_factory=dict)
    fresh: int = 0

    @classmethod
    def of(cls, home: Home | None) -> "Inputs":
        """The memory of a home; an empty one without a home."""
        return cls(home, home.json(INPUTS, {}) if home else {})

    def identity(self, found: Found) -> str:
        """The content hash of a file; its store's ETag where it is not local and the store gives one."""
        if not is_local(found.url) and found.stamp:
            return f"{found.size}-{found.stamp}"
        seen = [str(found.size), found.stamp]
        if self.known.get(found.url, [])[:2] != seen or not found.stamp:
            self.known[found.url] = [*seen, content_hash(found.url)]
            self.fresh += 1
        return self.known[found.url][2]

    def save(self) -> None:
        """Remember what was read."""
        if self.home and self.fresh:
            self.home.write_json(INPUTS, self.known)
