"""Many small runs, one thread each, as many at once as there are cores: how sweeps and swarms of proxies train."""
