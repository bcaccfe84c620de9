"""The daemon: watches working trees, takes snapshots, and shares live branches with the team."""
