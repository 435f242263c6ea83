"""Files of any kind in, photos on a shelf out: archives, thumbnails, samples."""
