"""Makes ape compile with tools/solc and start npm's anvil: run by `make setup` with the virtual environment's Python.

ape-solidity asks py-solc-x, which looks in SOLCX_BINARY_PATH or ~/.solcx for `solc-vVERSION` and otherwise downloads;
ape-foundry looks for `anvil` on PATH. Links to both are put into the virtual environment, and a .pth file names them
for every Python started there: so ape needs no export and no activated environment, nothing is written to the home
folder, two checkouts do not meet, and deleting the environment removes it all. A SOLCX_BINARY_PATH that the user sets
is respected, and so is an anvil that is on PATH already.
"""

import json
import sys
import sysconfig
from pathlib import Path

from bulkhead.chain.anvil import find_anvil

root = Path(__file__).resolve().parent.parent
version = json.loads((root / "node_modules" / "solc" / "package.json").read_text())["version"]

solcx = Path(sys.prefix) / "share" / "solcx"
programs = Path(sys.prefix) / "share" / "anvil"
for folder in (solcx, programs):
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
(solcx / f"solc-v{version}").symlink_to(root / "tools" / "solc")
(programs / "anvil").symlink_to(find_anvil())

(Path(sysconfig.get_path("purelib")) / "bulkhead_solc.pth").write_text(
    'import os, sys; os.environ.setdefault("SOLCX_BINARY_PATH", os.path.join(sys.prefix, "share", "solcx"));'
    ' anvil = os.path.join(sys.prefix, "share", "anvil"); path = os.environ.get("PATH", os.defpath).split(os.pathsep);'
    " os.environ.update(PATH=os.pathsep.join(path if anvil in path else [*path, anvil]))\n"
)
