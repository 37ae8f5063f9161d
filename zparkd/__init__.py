"""zparkd: a message bus with memory for the gates of a car park."""

__version__ = "0.2.0.dev0"
