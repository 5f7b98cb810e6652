"""`bulkhead drive` as a script."""

import sys

from bulkhead.cli import main

sys.exit(main(["drive", *sys.argv[1:]]))
