"""What a model can do: `evaluate.py` lists the benchmarks that every checkpoint is put to, each a module of its own;
`samples.py` shows what it writes, and `long/` tests how far it reads.
"""
