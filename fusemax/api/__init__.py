"""What a notebook needs: designs with verbs, and answers that print and draw themselves."""
