"""Host filesystem primitives that know nothing of images."""
