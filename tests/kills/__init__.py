"""Kills at any moment: nothing is lost, nothing needs a person, and everything goes on.

The short form is `test_kills.py`; the long form is `python -m tests.kills --rounds 5000 [--seed N]`.
"""
