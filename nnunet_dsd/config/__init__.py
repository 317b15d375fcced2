"""The settings of a training: all methods' put together, and the plans' block that holds them."""
