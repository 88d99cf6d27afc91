"""What people write about cases, as codes: columns, values, frames, labels, and what may be said of them."""
