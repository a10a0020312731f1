"""Which of several mixtures is better, from the held-out losses of proxies that share their seeds."""
