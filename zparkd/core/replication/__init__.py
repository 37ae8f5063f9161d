"""How events get from central to central: messages, what peers hold, what is believed."""
