"""Run the merge engine in separate processes that can be stopped."""
