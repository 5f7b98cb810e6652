"""Makes ape compile with tools/solc: run by `make setup` with the virtual environment's Python.

ape-solidity asks py-solc-x, which looks in SOLCX_BINARY_PATH or ~/.solcx for `solc-vVERSION` and otherwise downloads.
The folder is put into the virtual environment, and a .pth file of one line names it for every Python started there:
so `ape compile` needs no export, nothing is written to the home folder, two checkouts do not meet, and deleting the
environment removes it all. A SOLCX_BINARY_PATH that the user sets is respected.
"""

import json
import sys
import sysconfig
from pathlib import Path

root = Path(__file__).resolve().parent.parent
version = json.loads((root / "node_modules" / "solc" / "package.json").read_text())["version"]

folder = Path(sys.prefix) / "share" / "solcx"
folder.mkdir(parents=True, exist_ok=True)
for old in folder.glob("solc-v*"):
    old.unlink()
(folder / f"solc-v{version}").symlink_to(root / "tools" / "solc")

(Path(sysconfig.get_path("purelib")) / "bulkhead_solc.pth").write_text(
    'import os, sys; os.environ.setdefault("SOLCX_BINARY_PATH", os.path.join(sys.prefix, "share", "solcx"))\n'
)
