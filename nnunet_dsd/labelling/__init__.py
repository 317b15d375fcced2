"""Finished models label cases and images without labels: who labels what, predicting, writing, going on."""
