"""Twins of `contracts/oracles/`, and `feed.py`: what stands outside, a Chainlink proxy."""
