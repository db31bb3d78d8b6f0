"""Generating text: sampling, batches, streaming."""
