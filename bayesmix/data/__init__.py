"""From a DataFrame to arrays: coded items, designs of covariates, clusters, centring."""
