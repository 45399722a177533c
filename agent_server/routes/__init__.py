"""What the server answers on which path; one module per group of paths."""
