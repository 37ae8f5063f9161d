"""The uplink: what a central holds, on its way to the fleet. A process of its own."""
