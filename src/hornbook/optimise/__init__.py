"""Mixtures for a size and a budget: small models read many of them, a law is fitted, the best is proposed and tried."""
