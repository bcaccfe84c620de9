"""Ask the merge engine, in processes of their own that can be stopped."""
