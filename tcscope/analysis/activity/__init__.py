"""How busy each kernel kept the GPU's units: samples of the whole GPU taken apart by when each kernel ran."""
