"""Token shards in the formats that other trainers read: a writer and a reader of each. What there is: table.py."""
