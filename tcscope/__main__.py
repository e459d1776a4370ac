"""`python -m tcscope` is `tcscope`."""

import sys

from tcscope.cli import main

sys.exit(main())
