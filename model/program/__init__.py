"""Software of the engine: an integer graph compiled into descriptors, activation lines and the weight stream."""
