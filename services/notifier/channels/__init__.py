"""How a notice reaches somebody: each channel owns its addresses, rendering, sending and fairness."""
