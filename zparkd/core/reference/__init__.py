"""Tariff, policy, passes and staff of the site: read, changed, folded."""
