"""The commands of the control socket."""
