"""Twins of `contracts/interfaces/`: structs, errors, and what the parts ask of each other."""
