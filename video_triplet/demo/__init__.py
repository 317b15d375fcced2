"""A made-up data set of surgical-looking videos whose true label probabilities are known."""
