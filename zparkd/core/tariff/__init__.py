"""What a stay costs, and how a tariff is written."""
