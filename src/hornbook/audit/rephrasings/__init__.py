"""Benchmark items told in other words: the most similar passages of a corpus, put before a judge."""
