"""From a request of a camera to its answer: read, resolved, decided, recorded, answered."""
