"""The whole method as steps: teacher, soft labels, student, ensemble, for every fold; and the paper's table of it."""
