"""Comments on code, replies and closings: one signed log per member, and where the code is now."""
