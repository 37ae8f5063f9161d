"""The configuration files as values, with every fault in them, for the daemon and its tools."""
