"""Documents in, better documents out: one package an operation, each with its function on its front page.

`read` makes a corpus of files, `filter` drops and masks by rules, `grade` gives every document a score, `clean` takes
out duplicates and, by `decontaminate`, what a model will be measured with. All of them work in portions (`workers`),
on corpora as `hornbook.documents` describes them.
"""
