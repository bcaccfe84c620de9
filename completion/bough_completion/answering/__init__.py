"""Questions from all editors about all repositories, scheduled and judged."""
