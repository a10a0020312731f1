"""daft: its own reader, normalize and minhash (xxhash3_64), LSH by numpy. Arguments: documents.jsonl, output folder."""

import sys
from pathlib import Path

import daft
import numpy as np
from banding import kept, write

daft.set_execution_config(default_morsel_size=8192)
source = Path(sys.argv[1])
frame = daft.read_json(str(source))
text = daft.functions.normalize(frame["text"], remove_punct=True, lowercase=True, nfd_unicode=True, white_space=True)
hashed = frame.select(
    daft.functions.minhash(text, num_hashes=112, ngram_size=5, seed=1, hash_function="xxhash3_64").alias("hashes")
)
column = hashed.to_arrow()["hashes"].combine_chunks()
signatures = np.asarray(column.flatten()).reshape(len(column), 112)
lines = source.read_bytes().splitlines(keepends=True)
write(Path(sys.argv[2]), lines, kept(signatures))
