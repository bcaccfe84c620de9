"""The commands, one file each, in the folders of the help's groups."""
