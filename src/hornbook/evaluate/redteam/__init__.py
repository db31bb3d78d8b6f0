"""The red team: what a model can be brought to do that it should decline, by whom, and how.

`attacks.toml` holds the ways of asking, `attacks.py` makes cases of them, `adaptive.py` is an LLM that finds its own
way, `campaign.py` asks, has the answers judged and counts.
"""

DIRECT = "direct"  # the family that is no attack, and what the others are measured against
RESULTS, ROWS = "redteam.json", "rows.jsonl"  # of a result: its figures, and every conversation
