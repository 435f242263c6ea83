"""A YAML file in, a checked benchmark out; knows neither torch nor the methods."""
