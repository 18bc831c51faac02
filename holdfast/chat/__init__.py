"""Both sides of a live conversation in terminals, over the API that front ends use."""
