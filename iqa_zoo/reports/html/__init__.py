"""Results as one HTML file: no network, light and dark, from a phone to a desk, with a keyboard or without.

page.py         what a page has, and the file made of it
tables.py       tables that sort and filter
predictions.py  which prediction of which model stands for an image
scatter.py      predictions against labels
extremes.py     the worst errors and the biggest disagreements
pictures.py     thumbnails, and where no image can be shown the reason
figures.py      matplotlib's figures as inline SVG
gallery.py      what a page shows of a dataset's images, within limits of size
protocol.py     the conditions, the configs and the command
find.py         the images of a study
study.py        the page of a study
kinds.py        the studies, by the script that made them
training.py     the page of a training
templates/      the page itself, its style and its script
"""
