"""How the photos of the sample project are made: things, materials and light in, pictures with their masks out."""
