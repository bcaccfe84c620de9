"""Text without a grammar: lines, sequences, conflict markers, versions."""
