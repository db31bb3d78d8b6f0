"""Long contexts: `tasks.py` lists what is asked, `suite.py` asks it at every length and depth."""
