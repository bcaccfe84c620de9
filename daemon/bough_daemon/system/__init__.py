"""What the operating system gives: threads, processes, durable writes, addresses, and text for a terminal."""
