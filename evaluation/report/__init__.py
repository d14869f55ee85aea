"""Tables, plots and Pareto fronts."""
