"""Floor 1: documents and tokens, at rest and in flight."""
