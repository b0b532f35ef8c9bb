"""What opens and what it can do then: each format and each architecture is made, opened and tried.

`python -m tests.matrix` tries all of them and writes `docs/matrix.json`, from which the page is drawn; the tests try
them again and compare.
"""
