"""Results as text: the listing of a fit, of a posterior, of an enumeration, of a study."""
