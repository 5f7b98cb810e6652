"""Twins of `contracts/instruments/`."""
