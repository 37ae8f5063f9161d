"""What the events of a vehicle come to, whatever was said of them afterwards."""
