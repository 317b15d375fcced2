"""What both packages stand on; importing any of it loads neither torch nor numpy."""
