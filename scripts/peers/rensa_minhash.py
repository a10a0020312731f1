"""rensa: RMinHash, its fastest, LSH by numpy. Arguments: documents.jsonl, output folder."""

import re
import sys
from pathlib import Path

import numpy as np
from banding import kept, read, write
from rensa import RMinHash

WORD = re.compile(r"\w+")
lines, texts = read(Path(sys.argv[1]))


def signature(text: str) -> list[int]:
    words = WORD.findall(text.lower())
    one = RMinHash(num_perm=112, seed=1)
    one.update([" ".join(words[i : i + 5]) for i in range(max(1, len(words) - 4))])
    return one.digest()


write(Path(sys.argv[2]), lines, kept(np.array([signature(text) for text in texts], np.uint32)))
