"""How fast and how small: this package beside what people would otherwise write, measured in one run."""
