"""Quantize a network layer by layer on the CPU, and measure what each layer's INT8 costs in accuracy."""
