"""What the events in the log come to, kept as rows: stays, vehicles, reference data, members."""
