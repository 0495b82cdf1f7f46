"""One module for each thing that a caller may want done."""
