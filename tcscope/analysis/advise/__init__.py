"""Which layers to keep in FP16: milliseconds of two traces beside the accuracy that each layer costs in INT8."""
