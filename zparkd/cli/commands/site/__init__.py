"""Commands for what the site agrees on: peers, members, tariff, passes, staff."""
