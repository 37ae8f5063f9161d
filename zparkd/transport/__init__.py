"""ZeroMQ: the sockets of a central, who may connect to them, and what goes over them."""
