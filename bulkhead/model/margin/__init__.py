"""Twins of `contracts/margin/`."""
