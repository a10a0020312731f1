"""datasketch's quickest: signatures in bulk, LSH by numpy in place of its own. Arguments: documents.jsonl, output."""

import re
import sys
from pathlib import Path

import numpy as np
from banding import kept, read, write
from datasketch import MinHash

WORD = re.compile(r"\w+")
lines, texts = read(Path(sys.argv[1]))


def shingles(text: str) -> list[bytes]:
    words = WORD.findall(text.lower())
    return [" ".join(words[i : i + 5]).encode() for i in range(max(1, len(words) - 4))]


hashes = MinHash.bulk((shingles(text) for text in texts), num_perm=112)
write(Path(sys.argv[2]), lines, kept(np.stack([one.hashvalues for one in hashes])))
