"""Volatility and what margins do with it, in floats: nothing here decides about money."""
