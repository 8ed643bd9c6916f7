"""Explain a trained decoder: attention maps, adjacencies, expert routing and the similarity of its queries."""
