"""Main text from HTML: the walk over a page's bytes, the engines, their limits, and what a page says of itself."""
