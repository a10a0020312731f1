"""What a training run reads: token shards in a planned order, the same for any number of ranks and after any stop."""
