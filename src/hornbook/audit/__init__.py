"""Audits: which benchmarks are in a corpus (`corpus.py`; in other words: `rephrasings/`), and what a model owes to that
(`model.py`).
"""
