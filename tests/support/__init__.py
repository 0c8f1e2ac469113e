"""What several rooms of tests share: fakes, builders, and the tools they run."""
