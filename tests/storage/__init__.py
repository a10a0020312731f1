"""Object stores and web servers, real ones on loopback, that also fail as they are told to."""
