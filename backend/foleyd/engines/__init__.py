"""Model families, each behind the interface of `foleyd.engines.base`, and where their files are."""
