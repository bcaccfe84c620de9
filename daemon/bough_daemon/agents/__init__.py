"""Working trees for agents: made from where their user is, with what they need to run, and remembered."""
