"""How fast many photos are answered, how far from what the tower alone does, and whether it survives being killed."""
