"""Inside a trained decoder: where its queries look, along which graph, which experts they meet, and how alike they are."""
