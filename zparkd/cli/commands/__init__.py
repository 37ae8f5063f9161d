"""The commands of zparkctl, one file a command, in rooms by what one wants of it."""
