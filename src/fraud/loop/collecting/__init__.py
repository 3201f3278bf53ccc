"""How the request log becomes weekly batches, and where they are put."""
