"""HTML for reports and for views in notebooks, without a style sheet, a script or a network.

elements   elements, escaped, and numbers as text
charts     line charts and bars as SVG
png        images and weights as PNG
"""
