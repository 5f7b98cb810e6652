"""Bulkhead: isolated-margin derivatives in which every position is a contract."""
