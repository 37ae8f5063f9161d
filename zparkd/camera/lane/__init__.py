"""One lane from a read to its barrier: kept, asked about, opened once, or told when it is late."""
