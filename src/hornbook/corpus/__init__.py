"""Documents in, better documents out: read them, grade them, clean them."""
