"""The exact integer twin of the contracts: one file per Solidity file, same names and errors, standard library only."""
