"""Write a trained model as a file that other programs run: the graph from pixels to scores, checked against the scorer."""
