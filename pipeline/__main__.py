"""`python -m pipeline` is `winnow`, so a Ray job can run an unbuilt working tree."""

from pipeline.cli import command

command()
