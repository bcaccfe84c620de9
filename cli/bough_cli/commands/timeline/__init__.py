"""The timeline: what is recorded, and how to restore it."""
