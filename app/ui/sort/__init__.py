"""The page Sort: a pile of photos in, and out those accepted above a line, with what checks of them promise."""
