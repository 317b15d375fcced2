"""The `video-triplet` command line, one file per subcommand."""
