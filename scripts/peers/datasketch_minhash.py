"""datasketch as its documentation has it: update_batch, then MinHashLSH. Arguments: documents.jsonl, output folder.

The first of documents that share a band stays, as they come in.
"""

import re
import sys
from pathlib import Path

import numpy as np
from banding import BANDS, ROWS, read, write
from datasketch import MinHash, MinHashLSH

WORD = re.compile(r"\w+")
lines, texts = read(Path(sys.argv[1]))
lsh = MinHashLSH(num_perm=BANDS * ROWS, params=(BANDS, ROWS))
kept = np.zeros(len(texts), np.bool_)
for n, text in enumerate(texts):
    words = WORD.findall(text.lower())
    one = MinHash(num_perm=BANDS * ROWS)
    one.update_batch([" ".join(words[i : i + 5]).encode() for i in range(max(1, len(words) - 4))])
    if not lsh.query(one):
        lsh.insert(n, one)
        kept[n] = True
write(Path(sys.argv[2]), lines, kept)
