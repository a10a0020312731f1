"""Floor 3: what is done to documents. Every stage of the house stands in `stages.table`."""
