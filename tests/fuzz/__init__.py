"""One target for everything that parses the bytes of a peer or of a repository.

The law of each: a value or a typed refusal, never another exception; no hang, and no growth of memory. The short form
is `test_targets.py`; the long form is `python -m tests.fuzz --seconds 3600 [TARGET…]`, which follows the branches of
the code where Atheris is installed (the extra `fuzz`), and changes what it has at random elsewhere.
"""
