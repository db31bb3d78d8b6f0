"""The examination: published benchmarks, asked and scored as everybody does, each a page of `evaluate/benchmarks/`.

`declaration.py` is what such a page says, `forms.py` the forms in which files hold the rows, `data.py` the files,
`questions.py` rows as prompts, `rules.py` how answers are scored, `candidate.py` who is asked.
"""

RESULTS, ROWS = "exam.json", "rows"  # of a result: its figures, and a folder of what was asked and answered
