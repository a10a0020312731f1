"""Reports: figures that add up, as JSON and in the terminal."""
