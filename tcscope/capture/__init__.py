"""Record a program or an engine under nsys. The only room that imports tensorrt, pycuda and nvtx, and when used."""
