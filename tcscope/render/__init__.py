"""One module for each output. Nothing is computed here: what is shown was in the dataclasses."""
