"""A model behind OpenAI's HTTP interface, and a page to chat with it."""
