"""Who asks the gateway, and whether they may."""
