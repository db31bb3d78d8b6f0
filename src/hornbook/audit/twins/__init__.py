"""Twins of benchmarks: the same questions with what does not matter changed; an answer learned by heart is wrong there.

`numbers.py` changes the numbers of word problems and computes their answers, `options.py` the order of choices,
`program.py` the names of a function and its docstring's wording; `make.py` makes a benchmark of the twins.
"""
