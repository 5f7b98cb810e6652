"""Options in floats: prices, Greeks, implied volatility, pictures; what informed traders earn from a pool's quotes."""
