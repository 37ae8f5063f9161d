"""How reads come in: over HTTP from cameras that may send them, and over MQTT from a broker."""
