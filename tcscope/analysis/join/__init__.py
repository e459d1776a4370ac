"""Layer files joined to what ran: by name where a trace names its layers, else by tactic and order."""
