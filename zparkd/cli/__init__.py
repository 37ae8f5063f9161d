"""zparkctl: what an operator types. One file a command; nothing here decides anything."""
