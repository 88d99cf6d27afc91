"""Numbers from cases and cases from numbers: fitting, prevalence, simulation, posterior predictive checks."""
