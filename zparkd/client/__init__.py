"""What talks to a central: cameras (`EdgeClient`) and tools (`ControlClient`)."""
