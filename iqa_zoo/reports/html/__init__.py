"""Results as one self-contained HTML file: no network, light and dark, any screen size, usable by keyboard.

page.py         the contents of a page, and the file written from it
tables.py       numbers in the cells of tables
predictions.py  one prediction per model and image
scatter.py      predictions against labels
extremes.py     the worst errors and the largest disagreements
pictures.py     thumbnails, or the reason why an image is missing
figures.py      matplotlib figures as inline SVG
gallery.py      the images of a dataset, within size limits
protocol.py     conditions, configs and command
find.py         the images of a study
study.py        the page of a study
training.py     the page of a training
templates/      HTML, CSS and JavaScript
"""
