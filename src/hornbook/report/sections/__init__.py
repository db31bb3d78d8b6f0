"""The sections of the report card: NAME.py gathers what NAME.html shows. Their order is in `report.report`."""
