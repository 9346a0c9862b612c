"""The heatmap without a screen: aggregate rows to a grid, a grid to colours and charts."""
