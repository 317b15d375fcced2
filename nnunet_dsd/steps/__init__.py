"""Running a list of steps: here, resumed, or as lists of jobs."""
