"""How much of which domain: methods that share a token budget out, and the artefact they all end in."""
