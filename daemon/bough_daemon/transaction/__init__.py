"""Change the user's files: all of it or nothing, recorded before, and undoable."""
