"""Object ids: SHA-1 in lower-case hexadecimal, as in the store; libgit2 raises for anything else."""

import re

OBJECT_ID = re.compile(r"[0-9a-f]{40}")
IN_BYTES = re.compile(rb"\b[0-9a-f]{40}\b")  # wherever one is named
