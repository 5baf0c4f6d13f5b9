"""Our wrapper in the frameworks that people use: a page each, which is run where they are."""
