"""What everyone agrees on: the shape of everything that crosses a boundary. Imports nothing of ours."""
