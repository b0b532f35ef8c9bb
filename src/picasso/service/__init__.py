"""Jobs, worker processes and the store."""
