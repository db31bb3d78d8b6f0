"""Audits: which benchmarks are in a corpus (`corpus.py`; in other words: `rephrasings/`), what a model owes to that
(`model.py`), and what scores of the examination are worth (`exam.py`).
"""
