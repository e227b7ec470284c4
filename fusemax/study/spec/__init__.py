"""What a study's file says: parts, points, axes, conditions, choices; and what is wrong with it by itself."""
