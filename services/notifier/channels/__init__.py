"""The channels over which people are told. Each owns its addresses, rendering, sending and fairness."""
