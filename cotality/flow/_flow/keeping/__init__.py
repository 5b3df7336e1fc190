"""What keeps the router alive, in the program that has started it: `keeper`."""
