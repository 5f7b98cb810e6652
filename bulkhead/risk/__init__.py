"""Risk: measurements and calibration in floats. Nothing on chain depends on them."""
