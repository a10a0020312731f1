"""Audit of a finished run's near-duplicates: exact truth on a sample, planted edits, and what both say of recall."""
