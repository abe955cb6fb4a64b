"""What `bench/run.py` is made of: processes, systems, loads, rounds, and the report."""
