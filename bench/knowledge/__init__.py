"""How well the knowledge base answers everyday questions."""
