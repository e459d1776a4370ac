"""Cut the smallest part of a network around a layer into its own ONNX file, with its recorded inputs.

It is what a bug report needs: NAME.onnx, what the layers there were fed in FP32 (NAME.inputs.npz) and what they gave
(NAME.outputs.npz). Weights go with it; look whether you may share them.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from tcscope.cli.networks import add_data, network_of
from tcscope.cli.options import Commands, command, count_from_0

_HOPS = 2


def add_to(commands: Commands) -> None:
    """Declare `tcscope cut`."""
    parser = command(commands, "cut", __doc__, "tcscope cut model.onnx --around /conv1/Conv --hops 2 --data calib.npz")
    parser.add_argument("model", metavar="MODEL", type=Path, help="an .onnx file")
    parser.add_argument("--around", metavar="LAYER", required=True, help="a node, as tcscope sensitivity names it")
    parser.add_argument(
        "--hops", metavar="N", type=count_from_0, default=_HOPS, help="nodes before and behind it (default 2)"
    )
    add_data(parser.add_argument_group("what it is fed"))
    out = parser.add_argument_group("what is written")
    out.add_argument(
        "-o", "--output", metavar="DIR", type=Path, default=Path(), help="into this folder (default: here)"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Cut one part, and list its nodes."""
    from tcscope.wording import count, plain

    network, samples = network_of(args, extra=True)
    from tcscope.sensitivity.cut import around, part, save

    found = part(network, around(network, args.around, args.hops), samples)
    stem = re.sub(r"[^\w.-]+", "_", args.around).strip("_.") or "part"
    for path in save(found, args.output, stem):
        print(f"wrote {path}", file=sys.stderr)
    print(f"{count(len(found.nodes), 'node')} of {len(network.nodes):,} around {plain(args.around)}")
    of_name = {node.name: node.op_type for node in found.model.graph.node}
    print("\n".join(f"{of_name[name]:<16} {plain(name)}" for name in found.nodes))
    for word, values in (("in", found.inputs), ("out", found.outputs)):
        for name, value in values.items():
            print(f"{word:<16} {plain(name)} {value.dtype} {'x'.join(map(str, value.shape)) or 'a scalar'}")
    return 0
