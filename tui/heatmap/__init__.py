"""The heatmap without a screen: rows to a grid, a grid to colours and charts."""
