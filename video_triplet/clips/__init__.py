"""Classification of short video clips."""
