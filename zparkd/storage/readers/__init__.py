"""What others than the daemon ask of a central's database, over a connection that can't write."""
