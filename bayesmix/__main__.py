"""``python -m bayesmix``: the command line."""

import sys

from bayesmix.cli.commands import main

if __name__ == "__main__":
    sys.exit(main())
