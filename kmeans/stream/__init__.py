"""One pass over the rows, mini-batch by mini-batch, with a sample of them."""
