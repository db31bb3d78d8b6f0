"""What a stage is, where its work is kept, and how a recipe's stages are run one after the other."""
