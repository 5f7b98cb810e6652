"""Twins of `contracts/libraries/`."""
