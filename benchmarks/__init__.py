"""How fast zparkd is, beside the floors of the same machine in the same run. Never a test."""
