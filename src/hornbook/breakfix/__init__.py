"""Break-Fix (Haider et al. 2024, arXiv:2407.13833): what a red team gets out of a model becomes rows that it learns.

`look_alikes.py` has questions that are harmless and sound harmful, and their harmful twins, `rows.py` makes rows of
conversations, `measure.py` measures a model, `rounds.py` attacks, trains and measures in turn, `page.py` draws it.
"""

RESULT, PAGE = "fix.json", "fix.html"
