"""Maximum likelihood: starts, search, polish, standard errors, enumeration, bootstrap."""
