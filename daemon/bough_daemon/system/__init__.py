"""Operating system services: threads, processes, durable writes, addresses, and text for a terminal."""
