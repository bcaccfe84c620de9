"""Conditions for calling a merged file clean, and the name resolution that they need."""
