"""Commands that act at a gate, as a camera does."""
