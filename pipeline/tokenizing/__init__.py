"""Tokenizers at work: engines and their proof, training, and checks. `pipeline.tokenize` encodes with them."""
