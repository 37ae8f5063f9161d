"""What a car park came to in a time: reports, calculated from the stays that count."""
