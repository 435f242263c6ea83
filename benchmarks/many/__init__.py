"""How fast many photos are answered, beside the backbone alone, and whether the work survives being killed."""
