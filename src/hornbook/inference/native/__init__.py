"""The engine for the CPU, in C++ (source/): a whole step without PyTorch. docs/engine.md tells how it works."""
