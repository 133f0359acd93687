"""How fast, and in how much memory, a history is judged; see benchmarks/README.md."""
