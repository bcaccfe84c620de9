"""Live branches: their snapshots, what each may claim as ancestors, and their merge bases."""
