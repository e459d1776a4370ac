"""Starts the runner from its folder, under an interpreter that knows nothing of tcscope."""

from __future__ import annotations

import os
import sys
import types

if "tcscope" not in sys.modules:  # the modules here name themselves in full: empty parents let them find each other
    here = os.path.dirname(os.path.abspath(__file__))
    for name, folder in (("tcscope", None), ("tcscope.capture", os.path.dirname(here))):
        parent = types.ModuleType(name)
        parent.__path__ = [folder] if folder else []
        sys.modules[name] = parent
    sys.path[:] = [path for path in sys.path if os.path.abspath(path) != here]

from tcscope.capture.runner.main import main

if __name__ == "__main__":
    raise SystemExit(main())
