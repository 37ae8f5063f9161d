"""The rules of zparkd, as plain values and functions.

Nothing in this package may reach a socket, a file, a clock, a thread or a source of
randomness: time, ids and bytes come in as arguments, and what is to be sent goes out as
return values.
"""
