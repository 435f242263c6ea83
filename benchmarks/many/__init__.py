"""How fast many photos are answered, compared with the backbone alone, and whether the work survives being killed."""
