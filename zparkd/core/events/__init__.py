"""An event as bytes and as a value: its form, what it says, its chain and who signed it."""
