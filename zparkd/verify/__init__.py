"""A database compared with itself and with the peers."""
