"""What a model can do: validation loss, held-out problems run in a sandbox, refusals."""
