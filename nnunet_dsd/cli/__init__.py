"""The command `nnunet-dsd`: one file per subcommand, each with SUMMARY, add_arguments and run."""
