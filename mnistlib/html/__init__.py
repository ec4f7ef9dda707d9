"""HTML for reports and notebook views, without style sheets, scripts or network access.

elements   escaped elements, and numbers as text
charts     line charts and bars as SVG
png        images and weights as PNG
"""
