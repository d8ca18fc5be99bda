"""Where runs are carried out: this machine, or whatever an executor plugin reaches."""
