"""The compiled passes of inference, for many cases; nothing outside the room imports them."""
