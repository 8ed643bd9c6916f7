"""Score collections of photographs of any size, shard by shard, into Parquet."""
