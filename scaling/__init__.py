"""Scaling laws, budgets and cost: how big, how many tokens, how long, how much, and how sure.

Raw units everywhere: parameters, tokens, FLOPs, never billions or PF-days. This floor imports nothing of ours.
"""
