"""Syntax trees as the merge sees them: the languages, their grammars, and what a node is called."""
