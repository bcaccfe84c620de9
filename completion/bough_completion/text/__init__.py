"""Text around a cursor: indentation, how far an answer goes, whether it fits."""
