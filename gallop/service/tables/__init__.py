"""Tables of answers, shard after shard, on disk or in a bucket, by one machine or many."""
