"""Shows that the tests notice what is wrong with the core: `make mutation`. See docs/testing.md."""
