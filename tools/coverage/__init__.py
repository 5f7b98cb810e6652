"""Shows that the tests take every branch of the core: `make coverage`. See docs/testing.md."""
