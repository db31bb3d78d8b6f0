"""The report card: what each step of a recipe did for the model. `report.py` lists the sections of the page."""
