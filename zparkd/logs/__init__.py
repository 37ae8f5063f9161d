"""The program log: every message of it, and where it goes."""
