"""``python -m mnistlib``: what a person and a cluster's node both run."""

import sys

from mnistlib.cli import main

sys.exit(main())
