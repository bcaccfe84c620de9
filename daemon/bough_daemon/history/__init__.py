"""Live branches: their snapshots, what each may claim as its ancestors, and where two of them began."""
