"""How many examples a property is tried on: as many as it wants, and more where there is time.

`bin/test --fast` tries a fifth of them, `bin/test --thorough` twenty times as many.
"""

from hypothesis import settings

COMMON = 50
"""What a property is tried on in a common run where it does not say."""


def examples(wanted: int) -> settings:
    """So many in a common run; in others as many more or fewer as of all properties."""
    return settings(max_examples=max(10, wanted * settings.default.max_examples // COMMON))
