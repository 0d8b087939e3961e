"""The torch side of the road: networks, quantizers, training, and the freeze that ends it."""
