"""Runs Gymnasium environments for a Troop actor.

The actor starts ``python -m troop_gym_host`` and talks to it over the process's standard input and output: one JSON
line each way at the start (see :mod:`troop_gym_host.protocol`), then one byte each way a step. Observations, actions,
rewards and flags lie in shared memory (:mod:`troop_gym_host.shared_arrays`); nothing is pickled.
"""
