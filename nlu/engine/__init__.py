"""How a model runs: the network, the device it runs on, and batching."""
