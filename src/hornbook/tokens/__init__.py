"""From texts to what a model reads: a tokenizer, packed shards, batches."""
