"""The system's room."""
