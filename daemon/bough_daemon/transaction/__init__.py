"""Change the user's files: all or nothing, recorded before, and undoable."""
