"""datatrove: DocumentTokenizer, one worker. Arguments: documents.jsonl, output folder, tokenizer.json, end token."""

import logging
import sys
from pathlib import Path

from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.tokens import DocumentTokenizer

logging.disable(logging.CRITICAL)
source, out, tokenizer, eos = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4]
read = JsonlReader(str(source.parent), glob_pattern=source.name)
write = DocumentTokenizer(str(out), tokenizer_name_or_path=tokenizer, eos_token=eos, shuffle_documents=False)
LocalPipelineExecutor([read, write], tasks=1, workers=1, logging_dir=str(out / "logs")).run()
