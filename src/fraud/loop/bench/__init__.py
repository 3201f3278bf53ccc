"""What the benches measure, one module a make target, and the servers, worlds and loads that they measure with."""
