"""One module for each output of many traces side by side."""
