"""Working trees for agents: created from the user's current state, with what agents need to run."""
