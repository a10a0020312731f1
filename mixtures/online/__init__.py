"""Weights of domains that change within one training run, by the losses that it has: no proxy runs."""
