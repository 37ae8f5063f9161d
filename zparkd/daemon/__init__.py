"""The process around the rules: the only code that touches SQLite, ZeroMQ, files and signals."""
