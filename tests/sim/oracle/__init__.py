"""What the simulator judges with: what events mean, what they come to, what a gate must answer.

Written from `docs/protocol.md`, `docs/edges.md`, `docs/tariffs.md`, `docs/policy.md` and
`docs/plates.md`, and sharing no code with what it judges: nothing here imports zparkd
(tests/sim/test_sim_oracle.py holds it). It is slow and plain where the daemon is fast and clever: a
vehicle is folded anew, from all its events, each time somebody asks for it.
"""
