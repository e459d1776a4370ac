"""Runs a TensorRT engine with nothing but the standard library and TensorRT: `PYTHON tcscope/capture/runner ENGINE`.

It is started with another interpreter than tcscope's own (Python 3.8 to 3.13), where no package of tcscope's may be.
"""
