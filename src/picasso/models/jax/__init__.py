"""JAX functions and Flax modules, run by their jaxprs."""
