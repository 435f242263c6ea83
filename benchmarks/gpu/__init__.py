"""Everything that wants a GPU, in one command: ``make gpu``. Tests that it agrees with the CPU, then how fast it is."""
