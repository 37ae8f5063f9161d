"""What came and went in a time, what was paid and who did what: read for reports."""
