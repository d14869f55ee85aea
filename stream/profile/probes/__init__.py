"""What is read while a run goes on: sensors, processes, and what the machine is."""
