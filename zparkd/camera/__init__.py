"""Real cameras: what ANPR cameras send over HTTP and MQTT becomes a request to the centrals.

A process of its own beside the lane, `zparkd-camera`. It talks to centrals like any other edge,
and imports nothing of the daemon but the readers of configuration values.
"""
