"""Floor 4: recipes, plans, runs and reports."""

__version__ = "0.1.0"
