"""Old snapshots, and what stays of them."""
