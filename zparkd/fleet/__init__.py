"""The fleet: the events of many sites in one PostgreSQL, folded by the rules of `core`."""
