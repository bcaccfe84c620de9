"""Syntax trees as the merge uses them: the languages, their grammars, and the names of nodes."""
