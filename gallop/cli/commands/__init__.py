"""One module a command, each with ``run(options, console)``: the parsed options in, an exit status out."""
