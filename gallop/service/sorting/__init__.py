"""A pile of photos in, folders by class out: scored once, a line, checks that earn a promise, and copies or moves."""
