"""Other people's branches, and the shared one."""
