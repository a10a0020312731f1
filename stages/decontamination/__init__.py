"""Benchmarks, an index of their n-grams, and the published rules by which a document is contaminated, a file each."""
