"""One training loop, three objectives: next token, chat, preference."""
