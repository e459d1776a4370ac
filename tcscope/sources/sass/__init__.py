"""Machine code of the user's own binaries, disassembled by NVIDIA's cuobjdump."""

from tcscope.sources.sass.disassembly import Disassembly, Function, disassemble
from tcscope.sources.sass.files import code_files
from tcscope.sources.sass.tools import Tools, find_tools

__all__ = ["Disassembly", "Function", "Tools", "code_files", "disassemble", "find_tools"]
