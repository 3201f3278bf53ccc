"""How batches of your own come into data/raw."""
