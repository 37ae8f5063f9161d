"""What else could carry a site's events, asked to do the same job on the same machine.

Three servers that replicate, one writer; an acknowledgement means on the disk of the first unless
it says otherwise. They are left out where they are not installed.
"""
