"""Where the gateway gets its answers: the daemon, the database, the files."""
