"""Commands for whoever looks after the machine: set up, configure, back up, move in."""
